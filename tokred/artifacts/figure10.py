"""Figure 10: effect of the backbone on kept tokens, per data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoU with lower bounds, a row a data set."""
    return lines.over_rates(lines.by_dataset(tables["backbones"], "iou", view), view)
