"""What an artifact needs to know of the study it shows, besides its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tokred.presentation.markup import mathtext


@dataclass(frozen=True)
class View:
    """Names in the study's order, with the labels that figures and tables print.

    Attributes:
        study: name of the study.
        datasets: label by data set name.
        backbones: label by backbone name, smallest capacity first.
        methods: method names in the registry's order, without the unreduced model.
        keep_rates: canonical text, ascending.
        seeds: the study's seeds.
        locations: block in which each stage acts.
        grid: (rows, columns) of input tokens.
        depth: number of blocks.
        trained: whether the study has models of its own; otherwise its performance is the published one.
        searched: whether its settings come from a search of hyperparameters.
        reference: what its performance is put beside, as figures and tables call it; None for nothing.
        table_intervals: whether tables of performance show intervals.
        masked: names of the data sets whose images have object masks.
    """

    study: str
    datasets: dict[str, str]
    backbones: dict[str, str]
    methods: tuple[str, ...]
    keep_rates: tuple[str, ...]
    seeds: tuple[int, ...]
    locations: tuple[int, ...]
    grid: tuple[int, int]
    depth: int
    trained: bool = True
    searched: bool = False
    reference: str | None = None
    table_intervals: bool = False
    masked: tuple[str, ...] = ()

    def for_figures(self) -> View:
        """The view with labels in which every sign stands for itself in matplotlib's text."""
        datasets, backbones = (
            {name: mathtext(label) for name, label in labels.items()}
            for labels in (self.datasets, self.backbones)
        )
        return replace(self, datasets=datasets, backbones=backbones)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> View:
        """The view from its fields as JSON has them."""
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**fields)
