"""Figure 8: effect of the keep rate on kept tokens, per data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """IoA with lower bounds, a row a data set."""
    return lines.over_rate_pairs(lines.by_dataset(tables["keep_rates"], "ioa", view), view)
