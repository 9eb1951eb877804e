"""Schedules: how many tokens each block of a reduced model leaves, and what that costs.

>>> from tokred import schedules
>>> schedules.Constant(number=13)
Constant(kind='constant', number=13, inflect=0.0, blocks=None)
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tokred.schedules.base import Budget, Limits, Schedule
from tokred.schedules.macs import Shape
from tokred.schedules.matched import Matched
from tokred.schedules.shapes import LOCATIONS, Constant, DiffRate, DiffRateFile, Kept, Ratio, Stages

__all__ = [
    "LOCATIONS",
    "AnySchedule",
    "Budget",
    "Constant",
    "DiffRate",
    "DiffRateFile",
    "Kept",
    "Limits",
    "Matched",
    "Ratio",
    "Schedule",
    "Shape",
    "Stages",
]

#: Every schedule, as a key of a configuration.
AnySchedule = Annotated[
    Stages | Constant | Ratio | Kept | DiffRate | DiffRateFile | Matched, Field(discriminator="kind")
]
