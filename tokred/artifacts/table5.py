"""Table 5: settings of the unreduced models that are trained."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.settings_tables import SEARCHED, Settings
from tokred.artifacts.table import Table
from tokred.artifacts.view import View


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a data set; those on which the pretrained model is taken as it is are left out."""
    settings = Settings(tables["settings"])
    found = {label: settings.unreduced(dataset) for dataset, label in view.datasets.items()}
    rows = {label: [row[name] for name in SEARCHED] for label, row in found.items() if row["epochs"] != "0"}
    heads = pd.MultiIndex.from_tuples([("", short) for _, short in SEARCHED.values()])
    values = pd.DataFrame.from_dict(rows, orient="index", columns=heads)
    names = ", ".join(f"{short}: {long.lower()}" for long, short in SEARCHED.values())
    return Table("Settings of the unreduced models", f"{names}.", values, corner="data set")
