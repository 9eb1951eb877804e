"""Figure 5: similarity of dataset-averaged patterns across data sets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.dataset_pairs import pair_grid
from tokred.artifacts.lines import without_fixed
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Pearson's correlation: a row a backbone, a column a pair of data sets, a line a method."""
    rows = without_fixed(tables["datasets"])
    rows = rows[rows["metric"] == "pearson"]
    panel_rows = [
        (f"{label}\nPearson", rows[rows["backbone"] == backbone])
        for backbone, label in view.backbones.items()
    ]
    return pair_grid(panel_rows, view, lowest=-1.0 if rows["mean"].min() < 0 else 0.0)
