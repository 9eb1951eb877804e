"""The view of a study that artifacts get in addition to result tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tokred.methods.registry import METHODS
from tokred.presentation.markup import mathtext


@dataclass(frozen=True)
class View:
    """Names on the axes in the order of the study, their labels, and properties of the study.

    Attributes:
        study: name of the study.
        datasets: label by data set name.
        backbones: label by backbone name, smallest capacity first.
        methods: method names in the registry's order, without the unreduced model.
        keep_rates: canonical text, ascending.
        seeds: the study's seeds.
        locations: index of the block in which each stage acts.
        grid: (rows, columns) of input tokens.
        depth: number of blocks.
        trained: whether the study has models of its own; otherwise its performance is the published one.
        fine_tuned: whether these models are fine-tuned; otherwise they are pretrained backbones as they are.
        searched: whether its settings are the result of a hyperparameter search.
        reference: label of the study with whose performance it is compared; None: no comparison.
        table_intervals: whether tables of performance show confidence intervals.
        masked: names of the data sets whose images have object masks.
        scheduled: keep rates of each method that has a schedule of its own instead of the paper's stages.
        published_models: timm's name of each backbone whose accuracies without training are published, for
            which the study has ImageNet and does not fine-tune.
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
    fine_tuned: bool = True
    searched: bool = False
    reference: str | None = None
    table_intervals: bool = False
    masked: tuple[str, ...] = ()
    scheduled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published_models: Mapping[str, str] = field(default_factory=dict)

    def rates_of(self, method: str) -> tuple[str, ...]:
        """The study's keep rates at which a method has runs, ascending."""
        if method in self.scheduled:
            return self.scheduled[method]
        return tuple(rate for rate in self.keep_rates if METHODS[method].can_keep(rate))

    def for_figures(self) -> View:
        """The view with labels escaped for matplotlib, which then draws them literally."""
        datasets, backbones = (
            {name: mathtext(label) for name, label in labels.items()}
            for labels in (self.datasets, self.backbones)
        )
        return replace(self, datasets=datasets, backbones=backbones)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> View:
        """The view from its fields as JSON values."""
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        scheduled = {name: tuple(rates) for name, rates in fields.get("scheduled", {}).items()}
        return cls(**{**fields, "scheduled": scheduled})
