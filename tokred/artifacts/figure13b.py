"""Figure 13b: IoU of learned patterns with the fixed pattern of the l2 norm."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoU with one fixed pattern, over keep rates and stages."""
    return lines.over_rates(lines.against(tables["fixed"], "l2"), view)
