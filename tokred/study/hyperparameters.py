"""Training settings of every model of the paper: Tables 3 to 6, resolved.

The tables are interpreted as follows.

- *ImageNet*, the searched data set: the cell of Table 4, with learning rate 0.001 and normalization factor
  1024 (Table 2's note).
- *Other data sets*: Table 6 names the source of the five searched values. "D": the DeiT-S baseline on that
  data set (Table 5). "I": ImageNet, which we take to mean all five values, so that on COCO and NUS-WIDE the
  peak is `0.001 * 512 / 1024 = 0.0005`, where that of the baseline is `0.0001 * 512 / 512`.
- *Unreduced model*: on ImageNet the pretrained model as it is (`epochs: 0`), elsewhere Table 5.
- All other settings are those of Table 3 and the text. Table 3 names augmentations without their strengths;
  these are our choice, and follow the papers that it follows: DeiT (RandAugment "rand-m9-mstd0.5-inc1", Mixup
  0.8, CutMix 1.0) and the authors of the asymmetric loss (Cutout of half the side). "Mixed precision" is
  float16, the only kind that the V100 supports. The "decay rate" of the cosine schedule has no effect within
  one cycle and is left out. The asymmetric loss is a sum over micro-batches of 256 images, as published; see
  `docs/differences.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tokred import published
from tokred.names import nearest
from tokred.run import UNREDUCED, canonical_rate

#: Values of a study's `hyperparameters` that are not files.
OWN, PUBLISHED = "own", "published"
#: Settings of all methods on the searched data set, unless a cell overrides them.
_SEARCHED_RATE = {"lr": 0.001, "lr_normalizer": 1024}
_AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "random_resized_crop": {"crop": "random"},
    "resize": {"crop": "whole"},
    "horizontal_flip 0.5": {"flip": 0.5},
    "cutout 0.5": {"cutout": 0.5},
    "randaugment": {"randaugment": "rand-m9-mstd0.5-inc1"},
    "normalize": {},
    "random_erasing 0.25": {"erasing": 0.25},
    "mixup/cutmix": {"mixup": 0.8, "cutmix": 1.0},
}
_LOSSES: dict[str, dict[str, Any]] = {
    "cross_entropy": {},
    # Not in the tables: as in the published code, with which the learning rates were searched.
    "asymmetric": {"asl_micro_batch": 256},
}
#: Keys of a data set that are not fields of `Training`.
_NAMED = ("loss", "augmentation")
#: Optional keys of a file. "searched": the data set with settings for each method and keep rate, in the paper
#: ImageNet.
_OPTIONAL = {"source", "grid", "searched"}


def settings_from(source: str, dataset: str, method: str, keep_rate: str) -> dict[str, Any]:
    """Fields of `Training` for a run, from the source that a study's `hyperparameters` name.

    Args:
        source: "own", "published" or the path of a YAML file.
        dataset: name of the data set's adapter.

    Raises:
        ValueError: the source cannot be read, or has no settings for such a run.
    """
    return {} if source == OWN else training_for(dataset, method, keep_rate, _read(source))


def grid(source: str) -> dict[str, list[Any]]:
    """Values of each setting in the search that resulted in the hyperparameters; none for "own"."""
    if source == OWN:
        return {}
    return {name: values for name, values in _read(source).get("grid", {}).items() if name != "note"}


def training_for(
    dataset: str, method: str, keep_rate: str, tables: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fields of `Training` for a model; see the docstring of this module.

    Args:
        dataset: name of an adapter, such as "imagenet", "nabirds", "coco" or "nuswide".
        method: a method's name, "none" for the unreduced model.
        keep_rate: a decimal number, not necessarily canonical.
        tables: hyperparameters in the form of the published ones; None: the published ones.

    Raises:
        ValueError: there are no hyperparameters for such a model.
    """
    tables = published.hyperparameters() if tables is None else tables
    static = _entry(tables["datasets"], dataset, "data set")
    fixed = tables["fixed"]
    settings = {"weight_decay": fixed["weight_decay"], "drop_path": fixed["stochastic_depth"]}
    settings |= {"repeats": fixed["repeated_augmentations"]}
    settings |= {"precision": "float16" if fixed["mixed_precision"] else "float32"}
    if "loss" in static:
        settings |= _entry(_LOSSES, static["loss"], "loss")
    for name in static["augmentation"]:
        settings |= _entry(_AUGMENTATIONS, name, "augmentation")
    settings |= {name: value for name, value in static.items() if name not in _NAMED}
    return settings | _searched(tables, dataset, method, keep_rate)


def _searched(tables: Mapping[str, Any], dataset: str, method: str, keep_rate: str) -> dict[str, Any]:
    """The five searched settings."""
    first = tables.get("searched", "imagenet")
    if method == UNREDUCED:
        if dataset == first and dataset not in tables["baseline_deit"]:
            return {"epochs": 0, "warmup_epochs": 0}
        return _entry(tables["baseline_deit"], dataset, "data set")
    if dataset != first and _cell(tables["selected_source"], method, keep_rate, dataset) == "deit":
        return _entry(tables["baseline_deit"], dataset, "data set")
    return {**_SEARCHED_RATE, **_cell(tables["imagenet_selected"], method, keep_rate)}


def _cell(table: Mapping[str, Any], method: str, keep_rate: str, dataset: str | None = None) -> Any:
    """The entry of a table for a method, a keep rate and optionally a data set."""
    row = _entry(table, method, "method")
    if dataset is not None:
        row = _entry(row, dataset, "data set")
    rates = {canonical_rate(rate): value for rate, value in row.items() if value is not None}
    rate = canonical_rate(keep_rate)
    if rate not in rates:
        raise ValueError(
            f"hyperparameters: no entry for method {method!r} at keep rate {rate}; known: {', '.join(rates)}"
        )
    return rates[rate]


def _entry(table: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        hint = nearest(name, table)
        raise ValueError(f"hyperparameters: no entry for {kind} {name!r}{hint}; known: {', '.join(table)}")
    return table[name]


@cache
def _read(source: str) -> dict[str, Any]:
    if source == PUBLISHED:
        return published.hyperparameters()
    if not Path(source).is_file():
        raise ValueError(f"hyperparameters: expected {OWN!r}, {PUBLISHED!r} or a file, found {source!r}")
    try:
        tables = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"hyperparameters: {source} is not valid YAML: {error}") from None
    expected = set(published.hyperparameters()) - _OPTIONAL
    missing = sorted(expected - set(tables)) if isinstance(tables, dict) else sorted(expected)
    if missing:
        raise ValueError(f"hyperparameters: {source}: missing keys: {', '.join(missing)}")
    return tables
