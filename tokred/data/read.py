"""Reading a split, in memory or streamed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from tokred.data.image_table import check_table
from tokred.data.in_memory import Images, Source
from tokred.data.streamed import Stream
from tokred.settings import Backbone, ImageAccess


def read_split(
    path: str, backbone: Backbone, access: ImageAccess, workers: int, dataset: str, split: str
) -> Source:
    """The images of a table, in memory or streamed by `workers` processes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or not the table of this split of this data set.
    """
    check_table(path, dataset, split)
    if access.source == "memory":
        return Images.read(path, backbone.image_size)
    return Stream.read(path, backbone, access, workers)


def check_classes(expected: Sequence[str], found: Sequence[str], path: str, source: str) -> None:
    """Raise ValueError if labels of a table do not mean the expected classes.

    Args:
        expected: names of the classes that a model was trained on, in the order of labels.
        found: names of the classes of the table.
        path: the table.
        source: origin of the expected names, for the message.

    Raises:
        ValueError: names or their order differ.
    """
    if list(expected) == list(found):
        return
    pairs = zip_longest(expected, found)
    label, (known, other) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    raise ValueError(
        f"{path}: its classes are not those of {source}: label {label} is {other!r}, expected {known!r} "
        f"({len(found)} and {len(expected)} classes); prepare both splits anew"
    )
