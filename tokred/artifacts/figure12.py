"""Figure 12: similarity of dataset-averaged patterns by other metrics."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.dataset_pairs import pair_grid
from tokred.artifacts.lines import without_fixed
from tokred.artifacts.view import View
from tokred.metrics.registry import METRICS

#: Metrics, top to bottom.
SHOWN = ("spearman", "jensen_shannon", "emd", "histogram")


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """A row a metric, a column a pair of data sets, a line a method; averaged over backbones."""
    rows = without_fixed(tables["datasets"])
    return pair_grid([(METRICS[metric].label, rows[rows["metric"] == metric]) for metric in SHOWN], view)
