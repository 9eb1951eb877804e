"""Every figure of studies of several shapes, drawn once for all tests."""

from __future__ import annotations

from functools import cache

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.artifacts.tables import VIEWS, made_up
from tokred.artifacts.registry import ARTIFACTS

FIGURES = [name for name, artifact in ARTIFACTS.items() if artifact.kind == "figure"]
TABLES = {shape: made_up(made) for shape, made in VIEWS.items()}
DRAWN = [
    (name, shape) for name in FIGURES for shape in VIEWS if ARTIFACTS[name].obstacle(VIEWS[shape]) is None
]


@cache
def draw(name: str, shape: str) -> Figure:
    """A figure of the study of a shape."""
    fig = ARTIFACTS[name].load().draw(TABLES[shape], VIEWS[shape])
    FigureCanvasAgg(fig).draw()
    return fig
