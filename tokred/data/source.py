"""The images of one split among a user's files, and checks of their numbers."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tokred.data.info import Row, TableInfo

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowSource:
    """Rows that can be iterated several times.

    Attributes:
        read: starts an iteration.
        total: expected number of images; None accepts any.
        per_class: smallest and largest accepted number of images of every class.
        listed: whether an iteration is cheap, since rows are file names without bytes.
    """

    read: Callable[[], Iterator[Row]]
    total: int | None = None
    per_class: tuple[int, float] = (0, math.inf)
    listed: bool = True

    def __iter__(self) -> Iterator[Row]:
        return self.read()


class LabelCounts:
    """Numbers of images and of their labels, which are compared with the expected ones of a source."""

    def __init__(self, info: TableInfo) -> None:
        self._info = info
        self._labels: Counter[int] = Counter()
        self.images = 0

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass rows through, and count them; ValueError for a label outside the classes."""
        for row in rows:
            row.check_label(self._info)
            self._labels.update(row.labels())
            self.images += 1
            yield row

    def checked_learnable(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass counted rows through, and call `check_learnable` after the last."""
        yield from rows
        self.check_learnable()

    def check_learnable(self) -> None:
        """Raise ValueError if no model can learn the classes from the counted rows."""
        where = f"data set {self._info.dataset!r}, split {self._info.split!r}"
        names = self._info.classes
        if len(names) < 2 and self._info.task == "single":
            raise ValueError(f"{where}: expected two classes or more, found only {names[0]!r}")
        absent = [name for label, name in enumerate(names) if not self._labels[label]]
        if absent and self._info.task == "single":
            raise ValueError(
                f"{where}: expected images of each of the {len(names)} classes, found none of {absent[0]!r}"
                + (f" and of {len(absent) - 1} others" if len(absent) > 1 else "")
            )
        if absent:
            log.warning("%s: no image of class %s, which cannot be learned", where, ", ".join(absent))

    def check(self, source: RowSource) -> None:
        """Raise ValueError if the number of counted rows, or of a class, is not the expected one."""
        where = f"data set {self._info.dataset!r}, split {self._info.split!r}"
        if source.total not in (None, self.images):
            option = f"num_{self._info.split}"
            raise ValueError(
                f"{where}: {self.images:,} images, expected {source.total:,} (option {option}; null: any)"
            )
        low, high = source.per_class
        for label, name in enumerate(self._info.classes):
            if not low <= self._labels[label] <= high:
                bounds = (
                    f"{low}" if low == high else f"{low} to {high}" if high < math.inf else f"{low} or more"
                )
                raise ValueError(
                    f"{where}: {self._labels[label]:,} images of class {name!r}, expected {bounds}"
                )
