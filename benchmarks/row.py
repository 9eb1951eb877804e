"""Arguments and results of benchmarks."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path

#: Images of the test split of ImageNet, the largest that the paper compares.
ALL = 50_000


@dataclass(frozen=True)
class Scale:
    """Size of a benchmark.

    Attributes:
        folder: where it may write.
        tiny: whether only to see that it runs, as tests do; its figures then mean nothing.
        images: how many the whole metrics stage is measured on.
    """

    folder: Path
    tiny: bool = False
    images: int = ALL

    def of(self, full: int, tiny: int) -> int:
        """Number of images, pairs or repeats."""
        return tiny if self.tiny else full


@dataclass(frozen=True)
class Goal:
    """A bound on a measured value: ">=" or "<=" a limit."""

    sign: str
    limit: float

    def met(self, value: float) -> bool:
        """Whether a value satisfies the bound.

        >>> Goal("<=", 60).met(44.1)
        True
        """
        return {">=": operator.ge, "<=": operator.le}[self.sign](value, self.limit)


@dataclass(frozen=True)
class Row:
    """One measured value.

    Attributes:
        case: description of the measurement.
        value: the figure.
        unit: its unit; "x" is a ratio of times, the other way to ours.
        goal: bound on the value; None for a value that only explains others.
        note: details of the measurement.
    """

    case: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""
