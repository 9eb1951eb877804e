"""Figure 38: clusters of an example image of the second data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts.examples import draw_examples
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """See `tokred.artifacts.examples`."""
    return draw_examples(tables, view, 1, "cluster")
