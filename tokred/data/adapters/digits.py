"""`digits`: one handwritten digit of random size, place and colour; which one is it?"""

from __future__ import annotations

from collections.abc import Iterator

from tokred.data import compose
from tokred.data.info import Row, TableInfo
from tokred.data.options import CountOptions


def rows(split: str, options: CountOptions) -> tuple[TableInfo, Iterator[Row]]:
    """The table's description, and its images."""
    count = options.num_train if split == "train" else options.num_test
    return TableInfo("digits", split, "single", compose.CLASSES), _rows(split, count)


def _rows(split: str, count: int) -> Iterator[Row]:
    scans = compose.scans(split)
    for index in range(count):
        rng = compose.generator("digits", split, index)
        picture = compose.background(rng, split)
        scan = int(rng.integers(len(scans.digit)))
        compose.paste(picture, scans.ink[scan], compose.place(rng, []), rng)
        name = f"digits-{split}-{index:06d}"
        yield Row(name, compose.encode(picture), f"{name}.png", int(scans.digit[scan]))
