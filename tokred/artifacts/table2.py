"""Table 2: the grid of hyperparameters that was searched."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.settings_tables import SEARCHED
from tokred.artifacts.table import Table
from tokred.artifacts.view import View


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a setting."""
    tried = tables["grid"].set_index("setting")["values"]
    known = {name: f"{long} ({short})" for name, (long, short) in SEARCHED.items() if name in tried.index}
    values = pd.DataFrame({("", "grid values"): tried[list(known)].rename(known)})
    note = "All combinations are tried, as far as the study's search does not restrict them."
    return Table("Hyperparameter grid search", note, values, corner="hyperparameter")
