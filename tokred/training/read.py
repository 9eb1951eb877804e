"""Reading a split, from wherever the configuration says its images should be."""

from __future__ import annotations

from tokred.config import Backbone, ImageAccess
from tokred.datasets.table import check_table
from tokred.training.data import Images, Source
from tokred.training.stream import Stream


def read_split(
    path: str, backbone: Backbone, access: ImageAccess, workers: int, dataset: str, split: str
) -> Source:
    """The images of a table, in memory or streamed by `workers` processes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not the table of this split of this data set.
    """
    check_table(path, dataset, split)
    if access.source == "memory":
        return Images.read(path, backbone.image_size)
    return Stream.read(path, backbone, access, workers)
