"""Table 1: performance, for the backbone at place 0 of the tables' order."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.performance_table import performance
from tokred.artifacts.table import Table
from tokred.artifacts.view import View


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """See `tokred.artifacts.performance_table`."""
    return performance(tables["scores"], view, position=0)
