"""Cases of a parametrized test of which one is typical: the others are slow."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet


def slow_after_first(cases: Iterable[object]) -> list[ParameterSet]:
    """Values of one parameter, all slow but the first."""
    return slow_rows_after_first([(case,) for case in cases])


def slow_rows_after_first(rows: Iterable[tuple[object, ...]]) -> list[ParameterSet]:
    """Values of several parameters, all slow but the first row."""
    return [pytest.param(*row, marks=[pytest.mark.slow] if place else []) for place, row in enumerate(rows)]
