"""Figure 3: effect of the keep rate on patterns."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.style import percent
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoA with lower bounds and Homogeneity, over pairs of keep rates and stages."""
    return draw_metrics(tables["keep_rates"], view, ["ioa", "homogeneity"])


def draw_metrics(rows: pd.DataFrame, view: View, metrics: list[str]) -> Figure:
    """The same for any rows and metrics of pairs of keep rates."""
    ticks = [_tick(high, low) for high, low in lines.rate_pairs(view)]

    def position(chosen: pd.DataFrame) -> list[str]:
        return [_tick(*pair) for pair in zip(chosen["keep_rate"], chosen["other_keep_rate"], strict=True)]

    return lines.stage_grid(rows, view, metrics, position, ticks, "keep rates $r_1$ → $r_2$ (%)")


def _tick(high: str, low: str) -> str:
    return f"{percent(high)}→{percent(low)}"
