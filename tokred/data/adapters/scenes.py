"""`scenes`: one to four handwritten digits a picture; which ones are there?"""

from __future__ import annotations

from collections.abc import Iterator

from tokred.data import compose
from tokred.data.info import Row, TableInfo
from tokred.data.options import CountOptions


def rows(split: str, options: CountOptions) -> tuple[TableInfo, Iterator[Row]]:
    """The table's description, and its images."""
    count = options.num_train if split == "train" else options.num_test
    return TableInfo("scenes", split, "multi", compose.CLASSES), _rows(split, count)


def _rows(split: str, count: int) -> Iterator[Row]:
    scans = compose.scans(split)
    for index in range(count):
        rng = compose.generator("scenes", split, index)
        picture = compose.background(rng, split)
        taken: list[tuple[int, int, int]] = []
        present: set[int] = set()
        for _ in range(int(rng.integers(1, 5))):
            where = compose.place(rng, taken)
            if where is not None:
                scan = int(rng.integers(len(scans.digit)))
                compose.paste(picture, scans.ink[scan], where, rng)
                taken.append(where)
                present.add(int(scans.digit[scan]))
        name = f"scenes-{split}-{index:06d}"
        yield Row(name, compose.encode(picture), f"{name}.png", sorted(present))
