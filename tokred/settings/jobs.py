"""What jobs that run networks are told: one validated model per kind of job.

A job's function takes its model, or plain values, which it validates. In that plain form (JSON) a job reaches
the processes of a distributed training (`tokred.runtime.launch`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, field_serializer, model_validator

from tokred.run import Run
from tokred.settings.backbone import Backbone
from tokred.settings.hardware import Hardware
from tokred.settings.images import ImageAccess
from tokred.settings.pretraining import Recipe
from tokred.settings.training import PartialTraining, Precision, Training
from tokred.validation import Strict, parse

#: What a study says of a backbone that changes nothing in the network.
_NOT_OF_THE_NETWORK = {"label", "weights", "pretrained_on"}


class Network(Strict):
    """What decides a run's network, besides its method and keep rate. Stored with its weights."""

    backbone: Backbone
    options: dict[str, Any] = Field({}, description="of the method; default: its own defaults")
    locations: list[NonNegativeInt] = Field(description="blocks in which the stages act, counted from 0")

    @field_serializer("backbone")
    def _describe(self, backbone: Backbone) -> dict[str, Any]:
        return backbone.model_dump(mode="json", exclude=_NOT_OF_THE_NETWORK)


class Job(Strict):
    """What every job with a network is told."""

    hardware: Hardware = Hardware()


class _RunJob(Job):
    """A job of one run.

    `code`: by stage of the workflow, the fingerprint of its code, which is stored with the results.
    """

    run: Run
    model: Network
    images: ImageAccess = ImageAccess()
    code: dict[str, str] = {}


class _FineTuning(_RunJob):
    """What training and trials have in common.

    `test_table` is only needed where epochs are chosen on the test split.
    """

    pretrained: str | None = Field(description="weights to start from; null: timm's own for the backbone")
    keep_head: bool = Field(description="whether the pretrained classifier is of this data set's classes")
    train_table: str
    test_table: str | None = None
    history: str = Field(description="output: losses and scores of each epoch")


class TrainJob(_FineTuning):
    """Fine-tune one model. The state of an unfinished training lies beside `checkpoint`."""

    training: Training
    checkpoint: str = Field(description="output: weights")


class TrialJob(_FineTuning):
    """Train a model with one setting of a search.

    The setting is given, or read from the file `chosen`, which says what another cell of the search chose.
    """

    training: PartialTraining = Field(description="what the setting does not replace")
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

    The state of an unfinished training lies beside `checkpoint`.
    """

    run: Run = Field(description="gives the seed")
    model: Network
    recipe: Recipe
    code: dict[str, str] = {}
    checkpoint: str = Field(description="output: weights in half precision")
    history: str = Field(description="output: losses")
    properties: str = Field(description="output: measured properties of the backbone (JSON)")


class ExtractJob(_RunJob):
    """Pass the test split through a trained model and write its four tables (`tokred.evaluation.extract`)."""

    checkpoint: str
    test_table: str
    batch_size: PositiveInt
    precision: Precision = "float32"
    predictions: str
    patterns: str
    features: str
    score: str


JobModel = TypeVar("JobModel", bound=Job)


def takes(
    model: type[JobModel],
) -> Callable[[Callable[[JobModel], None]], Callable[[JobModel | Mapping[str, Any]], None]]:
    """Let a job's function be called with plain values as well; ValueError, naming keys, for wrong ones."""

    def decorate(function: Callable[[JobModel], None]) -> Callable[[JobModel | Mapping[str, Any]], None]:
        @wraps(function)
        def validated(job: JobModel | Mapping[str, Any]) -> None:
            if not isinstance(job, model):
                job = parse(model, dict(job), f"job {function.__name__}")
            function(job)

        return validated

    return decorate
