"""Figure 13c: IoU of learned patterns with the fixed pattern of the linf norm."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.fixed_patterns import draw_against
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """See `tokred.artifacts.fixed_patterns`."""
    return draw_against(tables["fixed"], view, "linf")
