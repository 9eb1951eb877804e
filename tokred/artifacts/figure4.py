"""Figure 4: effect of the backbone's capacity on patterns."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.style import percent
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoU with lower bounds and NMI, over keep rates and stages."""
    return draw_metrics(tables["backbones"], view, ["iou", "nmi"])


def draw_metrics(rows: pd.DataFrame, view: View, metrics: list[str]) -> Figure:
    """The same for any rows and metrics of pairs of backbones."""
    ticks = [percent(rate) for rate in view.keep_rates]
    return lines.stage_grid(
        rows, view, metrics, lambda chosen: chosen["keep_rate"].map(percent), ticks, "keep rate $r$ (%)"
    )
