"""Arguments of jobs that run networks: one validated model per kind of job.

The function of a job takes its model, or a mapping that it validates. As JSON it is passed to the
processes of a distributed training (`tokred.runtime.launch`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, field_serializer, model_serializer, model_validator
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from tokred.run import Run
from tokred.schedules import AnySchedule
from tokred.settings.backbone import Backbone
from tokred.settings.hardware import Hardware
from tokred.settings.images import ImageAccess
from tokred.settings.pretraining import Recipe
from tokred.settings.training import PartialTraining, Precision, Training
from tokred.validation import Strict, parse

#: Settings of a backbone that do not affect the architecture.
_NOT_OF_THE_NETWORK = {"label", "weights", "pretrained_on"}


class Network(Strict):
    """Everything that determines the network of a run but method and keep rate. Stored with its weights."""

    backbone: Backbone
    options: dict[str, Any] = Field({}, description="options of the method; default: its own")
    locations: list[NonNegativeInt] = Field(
        description="blocks after which patterns are stored, counted from 0; the paper's stages act in them"
    )
    schedule: AnySchedule | None = Field(
        None, description="number of tokens that each block leaves; null: the paper's stages"
    )

    @model_serializer(mode="wrap")
    def _without_default(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Weights from before there were schedules are those of networks without one."""
        values: dict[str, Any] = serialize(self)
        if self.schedule is None:
            del values["schedule"]
        return values

    @field_serializer("backbone")
    def _describe(self, backbone: Backbone) -> dict[str, Any]:
        return backbone.model_dump(mode="json", exclude=_NOT_OF_THE_NETWORK)


class Job(Strict):
    """Arguments of every job that runs a network."""

    hardware: Hardware = Hardware()


class _RunJob(Job):
    """A job of one run.

    `code` has the fingerprint of the code by workflow stage, and is stored with the results.
    """

    run: Run
    model: Network
    images: ImageAccess = ImageAccess()
    code: dict[str, str] = {}


class _FineTuning(_RunJob):
    """Arguments that trainings and trials share.

    `test_table` is only needed if epochs are selected on the test split.
    """

    pretrained: str | None = Field(description="initial weights; null: those of timm for the backbone")
    keep_head: bool = Field(description="whether the pretrained classifier has the classes of this data set")
    train_table: str
    test_table: str | None = None
    history: str = Field(description="output: losses and scores of each epoch")


class TrainJob(_FineTuning):
    """Fine-tune one model. The checkpoint of an unfinished training is in the folder of `weights`."""

    training: Training
    weights: str = Field(description="output: final weights")


class TrialJob(_FineTuning):
    """Train a model with one setting of a search.

    The setting is `setting`, or the one that another cell of the search chose, in the file `chosen`.
    """

    training: PartialTraining = Field(description="settings that the trial does not replace")
    setting: dict[str, int | float] | None = Field(None, description="values of the searched fields")
    chosen: str | None = None

    @model_validator(mode="after")
    def _has_one_setting(self) -> TrialJob:
        if (self.setting is None) == (self.chosen is None):
            raise ValueError(
                f"expected either setting or chosen, found setting {self.setting} and chosen {self.chosen!r}"
            )
        return self


class PretrainJob(Job):
    """Train a backbone from scratch, in one process.

    The checkpoint of an unfinished training is in the folder of `weights`.
    """

    run: Run = Field(description="identity from which the seed derives")
    model: Network
    recipe: Recipe
    code: dict[str, str] = {}
    weights: str = Field(description="output: final weights, in half precision")
    history: str = Field(description="output: losses")
    properties: str = Field(description="output: measured properties of the backbone (JSON)")


class ExtractJob(_RunJob):
    """Run a model on the test split and write its four tables (`tokred.evaluation.extract`).

    In a study without training, the weights are those of the backbone.
    """

    trained: bool = Field(True, description="whether the weights are those of the run, else of its backbone")
    weights: str | None = Field(None, description="null: those of timm for the backbone")
    test_table: str
    batch_size: PositiveInt
    precision: Precision = "float32"
    predictions: str
    patterns: str
    features: str
    score: str

    @model_validator(mode="after")
    def _has_weights(self) -> ExtractJob:
        if self.trained and self.weights is None:
            raise ValueError("weights: missing, expected those of the trained model")
        return self


JobModel = TypeVar("JobModel", bound=Job)


def takes(
    model: type[JobModel],
) -> Callable[[Callable[[JobModel], None]], Callable[[JobModel | Mapping[str, Any]], None]]:
    """Decorator of a job's function, which then also accepts a mapping, and validates it.

    The function raises ValueError, with the names of the keys, for wrong values.
    """

    def decorate(function: Callable[[JobModel], None]) -> Callable[[JobModel | Mapping[str, Any]], None]:
        @wraps(function)
        def validated(job: JobModel | Mapping[str, Any]) -> None:
            if not isinstance(job, model):
                job = parse(model, dict(job), f"job {function.__name__}")
            function(job)

        return validated

    return decorate
