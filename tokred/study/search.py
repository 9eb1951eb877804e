"""The search of hyperparameters (paper section 3.3, appendix B, Table 2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tokred import published
from tokred.settings.base import Name, Rate
from tokred.validation import Strict

#: Names of the searched settings, in the order of the paper's tables: the fields of `Grid`.
SEARCHED = ("lr", "lr_normalizer", "warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")
#: One value of each searched setting.
Setting = dict[str, float]


def _tried(name: str, values: list[float] | None = None) -> Any:
    """The field of the values to try for a training setting.

    Args:
        values: the default; None: the paper's values, read when they are needed.
    """
    description = f"values of the training setting `{name}`"
    if values is not None:
        return Field(values, min_length=1, description=description)
    paper = partial(_paper_values, name)
    return Field(default_factory=paper, min_length=1, description=description + "; default: those of Table 2")


def _paper_values(name: str) -> list[float]:
    return list(published.hyperparameters()["grid"][name])


def plain(value: float) -> float:
    """A whole number as such, so that it reads and is named the same wherever it comes from."""
    return int(value) if value == int(value) else value


class Grid(Strict):
    """Values of the searched settings, all combinations of which are tried; by default those of Table 2.

    The first value of a setting varies slowest, and of equally good combinations the first one is chosen.
    """

    lr: list[PositiveFloat] = _tried("lr")
    lr_normalizer: list[PositiveInt] = _tried("lr_normalizer")
    warmup_epochs: list[NonNegativeFloat] = _tried("warmup_epochs")
    backbone_lr_scale: list[PositiveFloat] = _tried("backbone_lr_scale")
    backbone_freeze_epochs: list[NonNegativeInt] = _tried("backbone_freeze_epochs")

    @model_validator(mode="after")
    def _check(self) -> Grid:
        for name, values in self:
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: {values} names a value twice")
        return self

    def settings(self) -> Iterator[Setting]:
        """All combinations, in order; whole numbers as such."""
        names = list(type(self).model_fields)
        for values in product(*(getattr(self, name) for name in names)):
            yield {name: plain(value) for name, value in zip(names, values, strict=True)}


class FirstGrid(Grid):
    """The grid of the first data set: Table 2's, as its caption restricts it."""

    lr: list[PositiveFloat] = _tried("lr", [0.001])
    lr_normalizer: list[PositiveInt] = _tried("lr_normalizer", [1024])
    backbone_lr_scale: list[PositiveFloat] = _tried("backbone_lr_scale", [1, 0.01])


class Search(Strict):
    """Which settings are tried, with which models, and what decides.

    On the first data set every method and keep rate is trained with every setting of `first`; on the others
    the unreduced model with every setting of `others`. There a method then takes the better of its own
    setting of the first data set, and of the setting of the data set's unreduced model.
    """

    backbone: Name | None = Field(None, description="default: the study's middle one (of two the larger)")
    first: FirstGrid = Field(FirstGrid(), description="grid of the first data set")
    others: Grid = Field(default_factory=Grid, description="grid of all other data sets")
    select_on: Literal["holdout", "test"] = Field(
        "holdout",
        description="a setting is as good as its best epoch (with `selection: last`: its last) on a held-out "
        "part of the training split, or (as published) on the test split",
    )
    methods: list[Name] | None = Field(None, min_length=1, description="default: the study's")
    keep_rates: list[Rate] | None = Field(None, min_length=1, description="default: the study's")
