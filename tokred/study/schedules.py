"""Schedules in a study: for each method, one that follows the keep rate, or one for each keep rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, NonNegativeInt, Tag
from typing_extensions import TypeAliasType

from tokred.schedules import Constant, DiffRate, DiffRateFile, Kept, Matched, Ratio, Schedule, Stages
from tokred.schedules.base import kind_field
from tokred.schedules.matched import MatchedShape
from tokred.settings.base import Rate
from tokred.validation import Strict

_STUDYS = "; null: the study's `locations`"


class StagesOfRun(Strict):
    """The paper's stages at the keep rate of each run, in blocks of the method's own."""

    kind: Literal["stages"] = kind_field("stages")
    locations: tuple[NonNegativeInt, ...] | None = Field(
        None, description="blocks in which the stages act, ascending, counted from 0" + _STUDYS
    )

    def at(self, keep_rate: str, locations: Sequence[int]) -> Stages:
        """The schedule at a keep rate, in the study's locations by default."""
        own = self.locations or tuple(locations)
        return Stages(kind="stages", keep_rate=keep_rate, locations=own)


class MatchedOfRun(Strict):
    """A schedule that costs as much as the paper's stages at the keep rate of each run."""

    kind: Literal["matched"] = kind_field("matched")
    shape: MatchedShape = "constant"
    locations: tuple[NonNegativeInt, ...] | None = Field(
        None, description="blocks of the paper's stages" + _STUDYS
    )

    def at(self, keep_rate: str, locations: Sequence[int]) -> Matched:
        """The schedule at a keep rate, with the cost of stages in the study's locations by default."""
        own = self.locations or tuple(locations)
        return Matched(kind="matched", keep_rate=keep_rate, shape=self.shape, locations=own)


_OfRun = Annotated[
    StagesOfRun | Constant | Ratio | Kept | DiffRate | DiffRateFile | MatchedOfRun,
    Field(discriminator="kind"),
]


def _form(value: Any) -> str:
    """Whether a value is a schedule or a mapping of schedules by keep rate."""
    return "one" if not isinstance(value, dict) or "kind" in value or not value else "by keep rate"


#: A schedule of all keep rates, or schedules by keep rate. It has a name in the configuration's schema.
MethodSchedule = TypeAliasType(
    "MethodSchedule",
    Annotated[
        Annotated[_OfRun, Tag("one")] | Annotated[dict[Rate, _OfRun], Tag("by keep rate")],
        Discriminator(_form),
        Field(description="A schedule of all keep rates, or schedules by keep rate."),
    ],
)


def schedule_at(given: MethodSchedule, keep_rate: str, locations: Sequence[int]) -> Schedule | None:
    """The schedule at a keep rate; None if the method has none for it.

    Args:
        given: value of the configuration.
        keep_rate: keep rate of a run.
        locations: the study's.
    """
    one = given.get(keep_rate) if isinstance(given, dict) else given
    return one.at(keep_rate, locations) if isinstance(one, StagesOfRun | MatchedOfRun) else one


def follows_rate(given: MethodSchedule) -> bool:
    """Whether schedules of different keep rates differ."""
    return isinstance(given, dict | StagesOfRun | MatchedOfRun)


def without_files(given: MethodSchedule | None) -> MethodSchedule | None:
    """The same schedules, with the contents of files in place of their names.

    A configuration thus has all numbers that determine its results. A file that cannot be read is a
    ValueError.
    """
    if isinstance(given, dict):
        return {rate: _without_file(one) for rate, one in given.items()}
    return None if given is None else _without_file(given)


def _without_file(one: _OfRun) -> _OfRun:
    if not isinstance(one, DiffRateFile):
        return one
    try:
        return one.read()
    except OSError as error:
        raise ValueError(f"file: {error}") from None
