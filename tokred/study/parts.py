"""Definitions of the names on the axes of a study: data sets, backbones, methods."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, create_model, field_validator
from typing_extensions import TypedDict

from tokred.data import registry as datasets
from tokred.methods import registry as methods
from tokred.settings.backbone import Backbone
from tokred.settings.base import Label, Name, Rate
from tokred.settings.images import DatasetImages
from tokred.study.schedules import MethodSchedule, without_files
from tokred.validation import Strict


def or_empty(value: Any) -> Any:
    """An empty mapping for null, with which an overlay empties a mapping of the default study."""
    return {} if value is None else value


class Dataset(Strict):
    """One data set: the adapter that prepares it, the adapter's options, and training settings.

    A configuration has models of `AnyDataset`: `Dataset` with the options of its adapter.
    """

    adapter: str = Field(description="adapter that reads or generates the images, such as image_folder")
    label: Label | None = Field(
        None,
        description="label in figures and tables; default: the adapter's, or the data set's name if the "
        "adapter has none or several data sets share it",
    )
    options: Strict = Field(description="options of the adapter")
    images: DatasetImages = Field(DatasetImages(), description="how images are read")
    training: Annotated[dict[str, Any], BeforeValidator(or_empty)] = Field(
        {}, description="overrides of the study's `training`"
    )


class Method(Strict):
    """Options and schedule of a method, and its training settings, for all or for single keep rates.

    A configuration has a model of `Methods`: by name, `Method` with the options of that method.
    """

    options: Strict = Field(description="options of the method")
    training: dict[str, Any] = Field({}, description="training settings at all keep rates")
    keep_rates: dict[Rate, dict[str, Any]] = Field({}, description="training settings by keep rate")
    schedule: MethodSchedule | None = Field(
        None,
        description="number of tokens that each block leaves, at all keep rates or by keep rate (the method "
        "then has runs at these); null: the paper's stages",
    )

    _files = field_validator("schedule")(without_files)


def _with_options(base: type[Strict], name: str, options: type[Strict], **more: Any) -> Any:
    """A subclass of `base` with the options of one adapter or method, optional if all have defaults."""
    required = any(field.is_required() for field in options.model_fields.values())
    described = f"options of {name}"
    field = (
        Field(description=described) if required else Field(default_factory=options, description=described)
    )
    doc = {"__doc__": f"{base.__name__} {name!r}."}
    make: Any = create_model
    return make(f"{base.__name__}_{name}", __base__=base, options=(options, field), **more, **doc)


#: Model of the settings of each method.
METHOD_MODELS: dict[str, type[Method]] = {
    name: _with_options(Method, name, method.options) for name, method in methods.METHODS.items()
}

if TYPE_CHECKING:
    AnyDataset = Dataset
    Methods = dict[str, Method]
else:
    _datasets = [
        _with_options(
            Dataset,
            name,
            adapter.options,
            adapter=(Literal[name], Field(description="the adapter that reads or generates the images")),
        )
        for name, adapter in datasets.ADAPTERS.items()
    ]
    AnyDataset = Annotated[functools.reduce(operator.or_, _datasets), Field(discriminator="adapter")]
    _described = {
        name: Annotated[model, Field(description=f"options, schedule and training settings of {name}")]
        for name, model in METHOD_MODELS.items()
    }
    Methods = TypedDict("Methods", _described, total=False)
    Methods.__pydantic_config__ = ConfigDict(extra="forbid")


class Settings(Strict):
    """Definitions of the names on the axes."""

    datasets: dict[Name, AnyDataset] = Field(description="data sets by name")
    backbones: dict[Name, Backbone] = Field(description="backbones by name")
    methods: Methods = Field({}, description="settings of methods by name; default: their own")
