"""Figure 4: effect of the backbone's capacity on patterns."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoU with lower bounds and NMI, over keep rates and stages."""
    return lines.over_rates(lines.by_metric(tables["backbones"], ["iou", "nmi"]), view)
