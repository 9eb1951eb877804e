"""Table 6: whose settings each method uses on the other data sets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.settings_tables import SEARCHED, Settings, rate_columns
from tokred.artifacts.table import Table
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a method: its settings of the first data set (I), or the data set's unreduced model's (D)."""
    settings = Settings(tables["settings"])
    (first, label), *others = view.datasets.items()
    rows = {
        METHODS[name].plain_label: [
            _source(settings, first, dataset, name, rate) for dataset, _ in others for rate in view.keep_rates
        ]
        for name in view.methods
    }
    values = pd.DataFrame.from_dict(rows, orient="index", columns=rate_columns(dict(others), view))
    note = (
        f"I: the method's settings on {label}; D: those of the data set's unreduced model; =: both "
        f"are the same; "
        "own: neither. Of the searched settings."
    )
    return Table("Whose settings are used", note, values)


def _source(settings: Settings, first: str, dataset: str, method: str, rate: str) -> str:
    used = settings.of(dataset, method, rate)
    if used is None:
        return "-"
    names = list(SEARCHED)
    searched = (used[names] == settings.of(first, method, rate)[names]).all()
    baseline = (used[names] == settings.unreduced(dataset)[names]).all()
    return {(True, True): "=", (True, False): "I", (False, True): "D"}.get(
        (bool(searched), bool(baseline)), "own"
    )
