"""Every artifact of studies of several shapes, made once for all tests."""

from __future__ import annotations

from functools import cache

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.artifacts.tables import VIEWS, made_up
from tokred.artifacts.registry import ARTIFACTS
from tokred.presentation.table import Table


class Tables(dict[str, dict[str, pd.DataFrame]]):
    """The result tables of the study of each shape, made when they are first asked for."""

    def __missing__(self, shape: str) -> dict[str, pd.DataFrame]:
        self[shape] = made_up(VIEWS[shape])
        return self[shape]


FIGURES = [name for name, artifact in ARTIFACTS.items() if artifact.kind == "figure"]
TABLES = Tables()
MADE = [
    (name, shape)
    for name, artifact in ARTIFACTS.items()
    for shape in VIEWS
    if artifact.unavailable_reason(VIEWS[shape]) is None
]
DRAWN = [(name, shape) for name, shape in MADE if name in FIGURES]


@cache
def make(name: str, shape: str) -> Figure | Table:
    """An artifact of the study of a shape."""
    made = ARTIFACTS[name].make(TABLES[shape], VIEWS[shape])
    if isinstance(made, Figure):
        FigureCanvasAgg(made).draw()
    return made


def draw(name: str, shape: str) -> Figure:
    """A figure of the study of a shape."""
    drawn = make(name, shape)
    assert isinstance(drawn, Figure)
    return drawn
