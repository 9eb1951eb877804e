"""A finding of the paper, and how it is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pandas as pd

from tokred.methods.registry import METHODS, Family
from tokred.study.view import View

#: The paper's bands of correlation (Hinkle et al., cited in section 5.3): moderate from, high from.
MODERATE, HIGH = 0.5, 0.7

_AXES = {
    "datasets": "data sets",
    "backbones": "backbones",
    "methods": "methods",
    "keep_rates": "keep rates",
    "locations": "stages",
}


class Basis(StrEnum):
    """Whose rule decides a claim."""

    #: It follows from the paper's words or numbers alone.
    PAPER = "the paper's"
    #: The paper gives no number, or its words leave room: the threshold or the rule is tokred's.
    OURS = "ours"


class NotTestableError(Exception):
    """A study lacks what a claim is about; the message says what."""


@dataclass(frozen=True)
class Finding:
    """What a study says of a claim: whether it holds, and the numbers that decide it."""

    holds: bool
    numbers: str


@dataclass(frozen=True)
class Evidence:
    """A study's tables (`tokred.tables.schemas`) by name, and its `View`."""

    tables: Mapping[str, pd.DataFrame]
    view: View

    def only(self, axis: str, name: str) -> Evidence:
        """What the study says of a single data set (axis "datasets") or backbone ("backbones")."""
        column = axis.removesuffix("s")
        tables = {
            key: rows[rows[column] == name] if column in rows else rows for key, rows in self.tables.items()
        }
        changes: dict[str, Any] = {axis: {name: getattr(self.view, axis)[name]}}
        return Evidence(tables, replace(self.view, **changes))

    def need_methods(self, *names: str) -> None:
        """Raises NotTestableError where the study lacks a method."""
        absent = [METHODS[name].plain_label for name in names if name not in self.view.methods]
        if absent:
            raise NotTestableError(f"the study has no {', '.join(absent)}")

    def need_rates(self, *rates: str) -> None:
        """Raises NotTestableError where the study lacks a keep rate."""
        absent = [rate for rate in rates if rate not in self.view.keep_rates]
        if absent:
            raise NotTestableError(f"the study has no keep rate {', '.join(absent)}")

    def need_several(self, axis: str, at_least: int = 2) -> None:
        """Raises NotTestableError where the study has too few on an axis of its view."""
        found = len(getattr(self.view, axis))
        if found < at_least:
            raise NotTestableError(f"needs {at_least} {_AXES[axis]}, the study has {found}")

    def methods(self, *families: Family) -> list[str]:
        """The study's methods of some families; NotTestableError where there are none."""
        found = [name for name in self.view.methods if METHODS[name].family in families]
        if not found:
            raise NotTestableError(f"the study has no methods of {' or '.join(families)}")
        return found


@dataclass(frozen=True)
class Claim:
    """One finding.

    Attributes:
        name: key in tables.
        section: of the paper.
        text: what is claimed, in our words.
        rule: the quantity that decides, and when the claim holds.
        basis: whose rule it is.
        needs: tables that it reads.
        check: decides it; raises NotTestableError.
    """

    name: str
    section: str
    text: str
    rule: str
    basis: Basis
    needs: tuple[str, ...]
    check: Callable[[Evidence], Finding]


Check = Callable[[Evidence], Finding]


def on_each(study: Evidence, axis: str, checks: Mapping[str, Check]) -> Finding:
    """Whether findings hold on each data set ("datasets") or backbone ("backbones") by itself.

    Args:
        checks: what decides each finding, by a name for people. One that cannot be tested on a part of the
            study is passed over there; NotTestableError where none can be tested anywhere.
    """
    study.need_several(axis)
    tested, failed = 0, []
    for name, label in getattr(study.view, axis).items():
        for what, check in checks.items():
            try:
                holds = check(study.only(axis, name)).holds
            except NotTestableError:
                continue
            tested += 1
            if not holds:
                failed.append(f"{what} ({label})")
    if not tested:
        raise NotTestableError(f"none of the findings can be tested on single {_AXES[axis]}")
    numbers = f"{tested - len(failed)} of {tested} hold"
    return Finding(not failed, numbers + (f"; not: {', '.join(failed)}" if failed else ""))
