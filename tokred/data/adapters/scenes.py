"""`scenes`: one to three whole handwritten digits among halves of others; they are the labels."""

from __future__ import annotations

from collections.abc import Iterator

from tokred.data import synthetic
from tokred.data.info import Row, TableInfo
from tokred.data.options import CountOptions


def rows(split: str, options: CountOptions) -> tuple[TableInfo, Iterator[Row]]:
    """The table's description, and its images."""
    count = options.num_train if split == "train" else options.num_test
    return TableInfo("scenes", split, "multi", synthetic.CLASSES), _rows(split, count)


def _rows(split: str, count: int) -> Iterator[Row]:
    for index in range(count):
        picture = synthetic.scene_picture(split, index)
        name = f"scenes-{split}-{index:06d}"
        pixels, mask = synthetic.png(picture.pixels), synthetic.png(picture.mask)
        yield Row(name, pixels, f"{name}.png", picture.digits, mask)
