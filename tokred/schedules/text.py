"""Schedules as text, for a command line: `stages`, `matched:constant`, `constant:13`, `kept:196,150,...`."""

from __future__ import annotations

from collections.abc import Callable

from tokred.names import lookup
from tokred.schedules.base import Schedule
from tokred.schedules.matched import Matched
from tokred.schedules.shapes import LOCATIONS, Constant, DiffRateFile, Kept, Ratio, Stages

#: How each kind of schedule is written.
FORMS = {
    "stages": "stages or stages:BLOCK,BLOCK,...",
    "matched": "matched:constant, matched:rising, matched:falling or matched:ratio",
    "constant": "constant:NUMBER or constant:NUMBER:SLOPE",
    "ratio": "ratio:KEEP",
    "kept": "kept:NUMBER,NUMBER,... (one number per block)",
    "diffrate": "diffrate:FILE:MODEL:GMACS",
}
#: Kinds of which a keep rate is a part; the others say alone how many tokens are left.
WITH_KEEP_RATE = ("stages", "matched")


def kind_of(text: str) -> str:
    """The kind of schedule that a text describes; ValueError for none, with those that there are."""
    kind = text.partition(":")[0]
    lookup("schedule", kind, FORMS)
    return kind


def parse_schedule(text: str, keep_rate: str | None) -> Schedule:
    """The schedule that a text describes.

    Args:
        text: one of `FORMS`.
        keep_rate: the keep rate of a schedule that has one (`WITH_KEEP_RATE`), None otherwise.

    Raises:
        ValueError: an unknown kind, or values that the kind cannot have.

    >>> parse_schedule("constant:13:-1", None)
    Constant(kind='constant', number=13, inflect=-1.0, blocks=None)
    >>> parse_schedule("matched:constant", "0.70").shape
    'constant'
    """
    kind = kind_of(text)
    rest = text.partition(":")[2]
    try:
        return _READERS[kind](rest, keep_rate)
    except ValueError as error:
        raise ValueError(f"schedule {text!r}: expected {FORMS[kind]} ({error})") from None


def _stages(rest: str, keep_rate: str | None) -> Schedule:
    blocks = tuple(_whole(part) for part in rest.split(",")) if rest else LOCATIONS
    return Stages(keep_rate=keep_rate, locations=blocks)


def _matched(rest: str, keep_rate: str | None) -> Schedule:
    shapes = {name: name for name in ("constant", "rising", "falling", "ratio")}
    return Matched(keep_rate=keep_rate, shape=lookup("shape", rest or "constant", shapes))


def _constant(rest: str, keep_rate: str | None) -> Schedule:
    number, _, slope = rest.partition(":")
    return Constant(number=_whole(number), inflect=float(slope or 0))


def _ratio(rest: str, keep_rate: str | None) -> Schedule:
    return Ratio(keep=float(rest))


def _kept(rest: str, keep_rate: str | None) -> Schedule:
    return Kept(tokens=tuple(_whole(part) for part in rest.split(",")))


def _from_file(rest: str, keep_rate: str | None) -> Schedule:
    parts = rest.rsplit(":", 2)  # a path may have colons
    if len(parts) < 3 or not all(parts):
        raise ValueError(f"found {rest!r}")
    return DiffRateFile(file=parts[0], model=parts[1], gmacs=parts[2]).read()


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError(f"found {text!r}, expected a whole number")
    return int(text)


_READERS: dict[str, Callable[[str, str | None], Schedule]] = {
    "stages": _stages,
    "matched": _matched,
    "constant": _constant,
    "ratio": _ratio,
    "kept": _kept,
    "diffrate": _from_file,
}
