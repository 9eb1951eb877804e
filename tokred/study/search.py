"""Settings of the hyperparameter search (paper section 3.3, appendix B, Table 2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tokred import published
from tokred.settings.base import Name, Rate
from tokred.validation import Strict, check_unique

#: Names of the searched settings, in the order of the paper's tables: the fields of `Grid`.
SEARCHED = ("lr", "lr_normalizer", "warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")
#: One value of each searched setting.
Setting = dict[str, float]


def _tried(name: str, values: list[float] | None = None) -> Any:
    """The field of the values to try for a training setting.

    Args:
        values: the default; None: those of the paper, which are read on demand.
    """
    description = f"values of the training setting `{name}`"
    if values is not None:
        return Field(values, min_length=1, description=description)
    paper = partial(_paper_values, name)
    return Field(default_factory=paper, min_length=1, description=description + "; default: those of Table 2")


def _paper_values(name: str) -> list[float]:
    return list(published.hyperparameters()["grid"][name])


def without_fraction(value: float) -> float:
    """An integer if the value is whole, so that equal values have equal text (1, not 1.0)."""
    return int(value) if value == int(value) else value


class Grid(Strict):
    """Values of the searched settings, tried in all combinations; default: those of Table 2.

    The first setting varies slowest. Of equally good combinations the first one is chosen.
    """

    lr: list[PositiveFloat] = _tried("lr")
    lr_normalizer: list[PositiveInt] = _tried("lr_normalizer")
    warmup_epochs: list[NonNegativeFloat] = _tried("warmup_epochs")
    backbone_lr_scale: list[PositiveFloat] = _tried("backbone_lr_scale")
    backbone_freeze_epochs: list[NonNegativeInt] = _tried("backbone_freeze_epochs")

    @model_validator(mode="after")
    def _check(self) -> Grid:
        for name, values in self:
            check_unique(name, values)
        return self

    def settings(self) -> Iterator[Setting]:
        """All combinations, in order."""
        names = list(type(self).model_fields)
        for values in product(*(getattr(self, name) for name in names)):
            yield {name: without_fraction(value) for name, value in zip(names, values, strict=True)}


class FirstGrid(Grid):
    """The grid of the first data set: Table 2's, as its caption restricts it."""

    lr: list[PositiveFloat] = _tried("lr", [0.001])
    lr_normalizer: list[PositiveInt] = _tried("lr_normalizer", [1024])
    backbone_lr_scale: list[PositiveFloat] = _tried("backbone_lr_scale", [1, 0.01])


class Search(Strict):
    """Models and settings of the search, and the criterion of its choices.

    On the first data set every method and keep rate is trained with every setting of `first`; on the others
    the unreduced model is trained with every setting of `others`. There a method takes the better of two
    settings: its own on the first data set, and that of the unreduced model.
    """

    backbone: Name | None = Field(
        None, description="backbone of all trials; default: the middle one of the study (of two the larger)"
    )
    first: FirstGrid = Field(FirstGrid(), description="grid of the first data set")
    others: Grid = Field(default_factory=Grid, description="grid of all other data sets")
    select_on: Literal["holdout", "test"] = Field(
        "holdout",
        description="criterion: score of the best epoch (with `selection: last`: of the last one) on a "
        "held-out part of the training split, or (as published) on the test split",
    )
    methods: list[Name] | None = Field(None, min_length=1, description="searched methods; default: all")
    keep_rates: list[Rate] | None = Field(None, min_length=1, description="searched keep rates; default: all")
