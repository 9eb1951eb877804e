"""The parts of a study: what the names on its axes mean, and how its backbones are made."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from tokred.data import registry as datasets
from tokred.study.backbone import Backbone
from tokred.study.base import Label, Name, Rate
from tokred.study.images import DatasetImages
from tokred.study.training import Training
from tokred.validation import Strict


def or_empty(value: Any) -> Any:
    """Null as an empty mapping: an overlay can empty a mapping of the default study only so."""
    return {} if value is None else value


class Dataset(Strict):
    """One data set: the adapter that prepares it, the adapter's options, and training settings of its own."""

    adapter: str = Field(description="adapter that reads or generates the images, such as image_folder")
    label: Label | None = Field(
        None,
        description="what figures and tables call it; default: the adapter's, or the data set's name where "
        "the adapter reads any data set or several data sets have the same one",
    )
    options: dict[str, Any] = Field({}, description="options of the adapter")
    images: DatasetImages = Field(DatasetImages(), description="how images reach the backbone")
    training: Annotated[dict[str, Any], BeforeValidator(or_empty)] = Field(
        {}, description="overrides of the study's `training`"
    )

    @model_validator(mode="after")
    def _check(self) -> Dataset:
        datasets.get(self.adapter).check_options(self.options)
        return self


class Method(Strict):
    """Options of a method, and training settings of its own, for all or for single keep rates."""

    options: dict[str, Any] = Field({}, description="options of the method")
    training: dict[str, Any] = Field({}, description="training settings at all keep rates")
    keep_rates: dict[Rate, dict[str, Any]] = Field({}, description="training settings by keep rate")


class Settings(Strict):
    """What the names on the axes mean."""

    datasets: dict[Name, Dataset] = Field(description="data sets by name")
    backbones: dict[Name, Backbone] = Field(description="backbones by name")
    methods: dict[Name, Method] = Field({}, description="settings of methods that have any, by name")


class Phase(Strict):
    """A part of pretraining: a network of some depth, which the next phase deepens."""

    depth: PositiveInt = Field(description="number of blocks")
    training: dict[str, Any] = Field({}, description="overrides of the pretraining's `training`")


class Pretraining(Strict):
    """How backbones with `weights: pretrain` are made, and those that are shipped were."""

    dataset: Dataset = Field(description="data set to pretrain on")
    training: Training = Field(description="training settings of all phases")
    phases: list[Phase] = Field(min_length=1, description="phases, in order")
    backbones: dict[Name, dict[str, Any]] = Field({}, description="training settings by backbone")
