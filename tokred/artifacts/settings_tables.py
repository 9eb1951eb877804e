"""Tables of training settings (2 to 6)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.style import percent
from tokred.methods.registry import METHODS
from tokred.presentation.table import Table
from tokred.run import UNREDUCED
from tokred.study.view import View

#: The settings that are searched, and what the paper calls them.
SEARCHED = {
    "lr": ("Learning rate", "LR"),
    "lr_normalizer": ("Learning rate normalization", "LR-Norm"),
    "warmup_epochs": ("Warm-up epochs", "W-E"),
    "backbone_lr_scale": ("Backbone learning rate scale", "B-LR"),
    "backbone_freeze_epochs": ("Backbone freeze epochs", "B-FE"),
}
_LOSSES = {"top1": "cross-entropy", "map": "asymmetric"}
_SHARED = {
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "label_smoothing": "Label smoothing",
    "asl_gamma_neg": "ASL gamma-",
    "asl_clip": "ASL clip",
    "ema_decay": "Model EMA",
}
#: How an augmentation is called; those that are off ("0", "none", one copy) are left out.
_AUGMENTATIONS: dict[str, str | dict[str, str]] = {
    "crop": {"random": "random resize and crop", "whole": "resize"},
    "flip": "horizontal flip ({})",
    "cutout": "cutout ({})",
    "randaugment": "RandAugment ({})",
    "erasing": "random erasing ({})",
    "mixup": "Mixup ({})",
    "cutmix": "CutMix ({})",
    "repeats": "repeated augmentation (x{})",
    "max_shift": "shift (up to {} pixels)",
    "color_jitter": "brightness and contrast ({})",
}
_BY_METHOD = ("warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")


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


def searched_grid(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a setting."""
    tried = tables["grid"].set_index("setting")["values"]
    known = {name: f"{long} ({short})" for name, (long, short) in SEARCHED.items() if name in tried.index}
    values = pd.DataFrame({("", "grid values"): tried[list(known)].rename(known)})
    note = "All combinations are tried, as far as the study's search does not restrict them."
    return Table("Hyperparameter grid search", note, values, corner="hyperparameter")


def of_datasets(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a setting, a column a data set; settings of methods that differ are all named."""
    settings = Settings(tables["settings"])
    measure = tables["scores"].groupby("dataset")["metric"].first()
    columns = {}
    for dataset, label in view.datasets.items():
        loss = _LOSSES[measure[dataset]]
        column = {name: settings.shared(dataset, name) for name in _SHARED}
        unused = ("asl_gamma_neg", "asl_clip") if loss == "cross-entropy" else ("label_smoothing",)
        column |= dict.fromkeys(unused, "-")
        found = [_augmentation(name, settings.shared(dataset, name)) for name in _AUGMENTATIONS]
        rows = {_SHARED[name]: value for name, value in column.items()}
        rows |= {"Loss": loss, "Augmentations": ", ".join(filter(None, found))}
        columns["", label] = rows
    order = ["Epochs", "Batch size", "Loss", *list(_SHARED.values())[2:], "Augmentations"]
    values = pd.DataFrame(columns).reindex(order)
    return Table("Settings of each data set", "Of the reduced models.", values, corner="hyperparameter")


def _augmentation(name: str, value: str) -> str:
    named = _AUGMENTATIONS[name]
    if isinstance(named, dict):
        return named.get(value, value)
    off = "1" if name == "repeats" else "0"
    return "" if value in (off, "none") else named.format(value)


def of_methods(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a method; warm-up epochs, learning rate scale and freeze epochs of the backbone by keep rate."""
    settings = Settings(tables["settings"])
    dataset, label = next(iter(view.datasets.items()))
    rows = {}
    for name in view.methods:
        found = [settings.of(dataset, name, rate) for rate in view.keep_rates]
        rows[METHODS[name].plain_label] = [
            "-" if of_run is None else of_run[setting] for of_run in found for setting in _BY_METHOD
        ]
    heads = [
        (f"{percent(rate)}%", SEARCHED[setting][1]) for rate in view.keep_rates for setting in _BY_METHOD
    ]
    values = pd.DataFrame.from_dict(rows, orient="index", columns=pd.MultiIndex.from_tuples(heads))
    note = (
        "W-E: warm-up epochs, B-LR: backbone learning rate scale, B-FE: backbone freeze epochs; by keep rate."
    )
    return Table(f"Settings of the methods on {label}", note, values)


def of_unreduced(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a data set; those on which the pretrained model is taken as it is are left out."""
    settings = Settings(tables["settings"])
    found = {label: settings.unreduced(dataset) for dataset, label in view.datasets.items()}
    rows = {label: [row[name] for name in SEARCHED] for label, row in found.items() if row["epochs"] != "0"}
    heads = pd.MultiIndex.from_tuples([("", short) for _, short in SEARCHED.values()])
    values = pd.DataFrame.from_dict(rows, orient="index", columns=heads)
    names = ", ".join(f"{short}: {long.lower()}" for long, short in SEARCHED.values())
    return Table("Settings of the unreduced models", f"{names}.", values, corner="data set")


def sources(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a method: its settings of the first data set (I), or the data set's unreduced model's (D)."""
    settings = Settings(tables["settings"])
    (first, label), *others = view.datasets.items()
    rows = {
        METHODS[name].plain_label: [
            _source(settings, first, dataset, name, rate) for dataset, _ in others for rate in view.keep_rates
        ]
        for name in view.methods
    }
    values = pd.DataFrame.from_dict(rows, orient="index", columns=_rate_columns(dict(others), view))
    note = (
        f"I: the method's settings on {label}; D: those of the data set's unreduced model; =: both "
        f"are the same; "
        "own: neither. Of the searched settings."
    )
    return Table("Whose settings are used", note, values)


def _source(settings: Settings, first: str, dataset: str, method: str, rate: str) -> str:
    used, on_first = settings.of(dataset, method, rate), settings.of(first, method, rate)
    if used is None:
        return "-"
    names = list(SEARCHED)
    searched = on_first is not None and (used[names] == on_first[names]).all()
    baseline = (used[names] == settings.unreduced(dataset)[names]).all()
    return {(True, True): "=", (True, False): "I", (False, True): "D"}.get(
        (bool(searched), bool(baseline)), "own"
    )


def _rate_columns(groups: dict[str, str], view: View) -> pd.MultiIndex:
    """Columns (group, keep rate)."""
    rates = [f"{percent(rate)}%" for rate in view.keep_rates]
    return pd.MultiIndex.from_tuples([(label, rate) for label in groups.values() for rate in rates])
