"""Figure 3: effect of the keep rate on patterns."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoA with lower bounds and Homogeneity, over pairs of keep rates and stages."""
    return lines.over_rate_pairs(lines.by_metric(tables["keep_rates"], ["ioa", "homogeneity"]), view)
