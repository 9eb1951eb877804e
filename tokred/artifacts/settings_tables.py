"""What the tables of training settings (2 to 6) have in common."""

from __future__ import annotations

import pandas as pd

from tokred.artifacts.style import percent
from tokred.artifacts.view import View
from tokred.run import UNREDUCED

#: The settings that are searched, and what the paper calls them.
SEARCHED = {
    "lr": ("Learning rate", "LR"),
    "lr_normalizer": ("Learning rate normalization", "LR-Norm"),
    "warmup_epochs": ("Warm-up epochs", "W-E"),
    "backbone_lr_scale": ("Backbone learning rate scale", "B-LR"),
    "backbone_freeze_epochs": ("Backbone freeze epochs", "B-FE"),
}


class Settings:
    """Settings by data set, method and keep rate.

    Args:
        rows: `tables.SETTINGS`.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        key = ["dataset", "method", "keep_rate"]
        self.table = rows.set_index([*key, "setting"])["value"].unstack("setting")

    def of(self, dataset: str, method: str, keep_rate: str) -> pd.Series | None:
        """All settings of a run; None where there is no such run."""
        key = (dataset, method, keep_rate)
        return self.table.loc[key] if key in self.table.index else None

    def unreduced(self, dataset: str) -> pd.Series:
        """All settings of a data set's unreduced model."""
        return self.table.xs((dataset, UNREDUCED), level=("dataset", "method")).iloc[0]

    def shared(self, dataset: str, setting: str) -> str:
        """The one value of a setting in a data set's reduced models, else all of them."""
        rows = self.table.xs(dataset, level="dataset").drop(UNREDUCED, level="method")
        return " or ".join(sorted(rows[setting].unique()))


def rate_columns(groups: dict[str, str], view: View) -> pd.MultiIndex:
    """Columns (group, keep rate)."""
    rates = [f"{percent(rate)}%" for rate in view.keep_rates]
    return pd.MultiIndex.from_tuples([(label, rate) for label in groups.values() for rate in rates])
