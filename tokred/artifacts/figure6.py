"""Figure 6: similarity to an anchor as a proxy for performance."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.proxy_grid import draw_panels
from tokred.artifacts.view import View

#: Measures and anchors, top to bottom.
PANELS = [
    ("procrustes", "topk"),
    ("procrustes", "kmedoids"),
    ("procrustes", "none"),
    ("iou", "topk"),
    ("nmi", "kmedoids"),
]


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Procrustes distance to three anchors, IoU with Top-K, NMI with K-Medoids."""
    return draw_panels(tables["proxies"], view, PANELS)
