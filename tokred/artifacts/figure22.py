"""Figure 22: performance against the Procrustes distance to K-Medoids, for the backbone at place 1."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.scatter import draw_scatter
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """See `tokred.artifacts.scatter`."""
    return draw_scatter(tables["scores"], tables["features"], view, "procrustes", "kmedoids", place=1)
