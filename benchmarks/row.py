"""What a benchmark is told, and what it finds."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path

#: Images of the test split of ImageNet, the largest that the paper compares.
ALL = 50_000


@dataclass(frozen=True)
class Scale:
    """How much a benchmark does.

    Attributes:
        folder: where it may write.
        tiny: whether only to see that it runs, as tests do; its figures then mean nothing.
        images: how many the whole metrics stage is measured on.
    """

    folder: Path
    tiny: bool = False
    images: int = ALL

    def of(self, full: int, tiny: int) -> int:
        """A number of images, pairs, or repeats."""
        return tiny if self.tiny else full


@dataclass(frozen=True)
class Goal:
    """A bound that a figure should keep: ">=" or "<=" of a limit."""

    sign: str
    limit: float

    def met(self, value: float) -> bool:
        """Whether a figure keeps it.

        >>> Goal("<=", 60).met(44.1)
        True
        """
        return {">=": operator.ge, "<=": operator.le}[self.sign](value, self.limit)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        case: what was measured.
        value: the figure.
        unit: its unit; "x" is a ratio of times, the other way to ours.
        goal: what it should be, None for a figure that explains others.
        note: what it is made of.
    """

    case: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""
