"""Figure 13: IoU of learned patterns with a fixed radial one."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.style import percent
from tokred.artifacts.view import View


def draw_against(rows: pd.DataFrame, view: View, fixed: str) -> Figure:
    """IoU with the fixed pattern `fixed`, over keep rates and stages."""
    chosen = rows[rows["other_method"] == fixed]
    ticks = [percent(rate) for rate in view.keep_rates]
    return lines.stage_grid(
        chosen, view, ["iou"], lambda r: r["keep_rate"].map(percent), ticks, "keep rate $r$ (%)"
    )
