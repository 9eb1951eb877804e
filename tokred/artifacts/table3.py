"""Table 3: settings of each data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.settings_tables import Settings
from tokred.artifacts.table import Table
from tokred.artifacts.view import View

_LOSSES = {"top1": "cross-entropy", "map": "asymmetric"}
_ROWS = {
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "label_smoothing": "Label smoothing",
    "asl_gamma_neg": "ASL gamma-",
    "asl_clip": "ASL clip",
    "ema_decay": "Model EMA",
}
#: How an augmentation is called; those that are off ("0", "none", one copy) are left out.
_AUGMENTATIONS = {
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


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """A row a setting, a column a data set; settings of methods that differ are all named."""
    settings = Settings(tables["settings"])
    measure = tables["scores"].groupby("dataset")["metric"].first()
    columns = {}
    for dataset, label in view.datasets.items():
        loss = _LOSSES[measure[dataset]]
        column = {name: settings.shared(dataset, name) for name in _ROWS}
        unused = ("asl_gamma_neg", "asl_clip") if loss == "cross-entropy" else ("label_smoothing",)
        column |= dict.fromkeys(unused, "-")
        found = [_augmentation(name, settings.shared(dataset, name)) for name in _AUGMENTATIONS]
        rows = {_ROWS[name]: value for name, value in column.items()}
        rows |= {"Loss": loss, "Augmentations": ", ".join(filter(None, found))}
        columns["", label] = rows
    order = ["Epochs", "Batch size", "Loss", *list(_ROWS.values())[2:], "Augmentations"]
    values = pd.DataFrame(columns).reindex(order)
    return Table("Settings of each data set", "Of the reduced models.", values, corner="hyperparameter")


def _augmentation(name: str, value: str) -> str:
    named = _AUGMENTATIONS[name]
    if isinstance(named, dict):
        return named.get(value, value)
    off = "1" if name == "repeats" else "0"
    return "" if value in (off, "none") else named.format(value)
