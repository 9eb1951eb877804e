"""Table 4: settings of each method on the first data set, on which they are searched."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.settings_tables import SEARCHED, Settings
from tokred.artifacts.style import percent
from tokred.artifacts.table import Table
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS

_SHOWN = ("warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a method; warm-up epochs, learning rate scale and freeze epochs of the backbone by keep rate."""
    settings = Settings(tables["settings"])
    dataset, label = next(iter(view.datasets.items()))
    rows = {}
    for name in view.methods:
        found = {rate: settings.of(dataset, name, rate) for rate in view.keep_rates}
        rows[METHODS[name].plain_label] = [
            "-" if found[rate] is None else found[rate][setting]
            for rate in view.keep_rates
            for setting in _SHOWN
        ]
    heads = [(f"{percent(rate)}%", SEARCHED[setting][1]) for rate in view.keep_rates for setting in _SHOWN]
    values = pd.DataFrame.from_dict(rows, orient="index", columns=pd.MultiIndex.from_tuples(heads))
    note = (
        "W-E: warm-up epochs, B-LR: backbone learning rate scale, B-FE: backbone freeze epochs; by keep rate."
    )
    return Table(f"Settings of the methods on {label}", note, values)
