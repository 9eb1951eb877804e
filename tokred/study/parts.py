"""The parts of a study: what the names on its axes mean."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from tokred.data import registry as datasets
from tokred.study.backbone import Backbone
from tokred.study.base import Label, Name, Rate
from tokred.study.images import DatasetImages
from tokred.validation import Strict


def or_empty(value: Any) -> Any:
    """Null as an empty mapping: an overlay can empty a mapping of the default study only so."""
    return {} if value is None else value


class Dataset(Strict):
    """One data set: the adapter that prepares it, the adapter's options, and training settings of its own."""

    adapter: str
    label: Label | None = Field(
        None,
        description="what figures and tables call it; default: the adapter's, or the data set's name where "
        "the adapter reads any data set or several data sets have the same one",
    )
    options: dict[str, Any] = {}
    images: DatasetImages = DatasetImages()
    training: Annotated[dict[str, Any], BeforeValidator(or_empty)] = Field(
        {}, description="overrides of the study's `training`"
    )

    @model_validator(mode="after")
    def _check(self) -> Dataset:
        datasets.get(self.adapter).check_options(self.options)
        return self


class Method(Strict):
    """Options of a method, and training settings of its own, for all or for single keep rates."""

    options: dict[str, Any] = {}
    training: dict[str, Any] = {}
    keep_rates: dict[Rate, dict[str, Any]] = Field({}, description="training settings by keep rate")


class Settings(Strict):
    """What the names on the axes mean."""

    datasets: dict[Name, Dataset]
    backbones: dict[Name, Backbone]
    methods: dict[Name, Method] = {}
