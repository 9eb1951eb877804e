"""Figure 14: other measures of feature similarity as proxies for performance."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.proxy_grid import draw_panels
from tokred.artifacts.view import View

#: Measures and anchors, top to bottom.
PANELS = [(measure, anchor) for measure in ("cka", "pwcca") for anchor in ("topk", "kmedoids", "none")]


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """CKA and PWCCA distances to three anchors."""
    return draw_panels(tables["proxies"], view, PANELS)
