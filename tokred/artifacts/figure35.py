"""Figure 35: dataset-averaged depth maps of DPC-KNN."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.depth_maps import draw_depth
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """See `tokred.artifacts.depth_maps`."""
    return draw_depth(tables["depth"], view, "dpcknn")
