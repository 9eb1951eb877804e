"""The image table: one Parquet format for every data set.

Columns, in the image layout of Hugging Face `datasets`: `image_id` (unique and stable), `image` (a struct of
encoded `bytes` and `path`; if the bytes are null, the image is in the file of that path), `label` (a class
index, or a list of them with several labels). Data sets with object masks have a column `mask`, a struct like
`image` (`tokred.data.masks`). The schema's metadata describe the table, as a `TableInfo`.
`tokred.data.writing` writes such tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from tokred.data.decoding import decode
from tokred.data.info import TableInfo
from tokred.tables import identity, parquet

_COLUMNS = ("image_id", "image", "label")


class StoredImage(TypedDict):
    """A value of the column `image`."""

    bytes: bytes | None
    path: str


class ImageTable:
    """A table on disk. It can be pickled and forked, since each process opens the file itself.

    Attributes:
        info: description of the table.
        image_ids: (n,) ids.
        labels: (n,) int64, or (n, C) uint8 multi-hot.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image table, or it has invalid labels or ids.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # Neither `pq.read_table` nor `to_numpy`: they load pandas, which takes as long as ten steps of a
        # small training.
        with parquet.opened(path, "images", _COLUMNS) as file:
            facts = parquet.facts_of(file.schema_arrow, path)
            stored = file.read(columns=["image_id", "label"])
            footer = file.metadata
        if set(facts) - {"code"} != {"dataset", "split", "task", "classes"}:
            raise ValueError(f"{path}: not an image table (its metadata are {sorted(facts)})")
        try:
            self.info = _info(facts)
            check_ids(stored["image_id"])
            self.labels = _labels(stored["label"], self.info)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        self.image_ids = np.array(stored["image_id"].to_pylist(), dtype=object)
        self._group_ends = np.cumsum([footer.row_group(i).num_rows for i in range(footer.num_row_groups)])
        self._reader: _Reader | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_reader": None}

    def __len__(self) -> int:
        return len(self.image_ids)

    def __iter__(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Ids and decoded (height, width, 3) uint8 images, in order, in bounded memory."""
        index = 0
        for group in range(len(self._group_ends)):
            for stored in self._group(group):
                yield self.image_ids[index], np.asarray(self._decode(index, stored.as_py()))
                index += 1

    def image(self, index: int) -> Image.Image:
        """One decoded RGB image (random access), for data sets that do not fit into memory."""
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: image {index}, expected 0 to {len(self) - 1}")
        group = int(np.searchsorted(self._group_ends, index, side="right"))
        first = 0 if group == 0 else int(self._group_ends[group - 1])
        stored = self._group(group)[index - first]
        return self._decode(index, stored.as_py())

    def images(self) -> NDArray[Any]:
        """(n, height, width, 3) uint8: all images decoded, for data sets that fit into memory.

        Raises ValueError if sizes differ.
        """
        decoded = [image for _, image in self]
        sizes = {image.shape[:2] for image in decoded}
        if len(sizes) != 1:
            raise ValueError(f"{self.path}: images are of {len(sizes)} sizes, expected one")
        return np.stack(decoded)

    def _group(self, group: int) -> pa.StructArray:
        """The encoded images of a row group."""
        if self._reader is None or self._reader.process != os.getpid():
            self._reader = _Reader(self.path)
        return self._reader.images(group)

    def _decode(self, index: int, stored: StoredImage) -> Image.Image:
        try:
            return decode(stored["path"] if stored["bytes"] is None else stored["bytes"])
        except ValueError as error:
            raise ValueError(f"{self.path}: image {self.image_ids[index]!r} {error}") from error


class _Reader:
    """A table opened by one process, which caches the last row group."""

    def __init__(self, path: Path) -> None:
        self.process, self._path = os.getpid(), path
        with parquet.explained(path):
            self._file = parquet.VerifiedFile(path, memory_map=True)
        self._last: tuple[int, pa.StructArray] | None = None

    def images(self, group: int) -> pa.StructArray:
        """The column `image` of a row group."""
        if self._last is None or self._last[0] != group:
            self._last = None  # before the next is read, so that only one is in memory
            with parquet.explained(self._path):
                column = self._file.read_row_group(group, columns=["image"], use_threads=False)["image"]
            self._last = group, column.combine_chunks()
        return self._last[1]


def _info(facts: Mapping[str, object]) -> TableInfo:
    classes = facts["classes"]
    if not isinstance(classes, list):
        raise ValueError(f"not an image table (its metadata have classes {classes!r})")
    dataset, split, task = (str(facts[key]) for key in ("dataset", "split", "task"))
    return TableInfo(dataset, split, task, tuple(classes))


def check_table(path: str | Path, dataset: str, split: str) -> None:
    """Raise ValueError unless a file is the image table of this split of this data set."""
    with parquet.opened(path, "images") as file:
        facts = parquet.facts_of(file.schema_arrow, path)
    identity.check(path, facts, {"dataset": dataset, "split": split})


def check_ids(ids: pa.ChunkedArray) -> None:
    """Raise ValueError if an image id is missing or occurs twice."""
    if ids.null_count:
        raise ValueError(f"{ids.null_count} images have no id")
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = ids.value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
        raise ValueError(f"image id {twice['values']!r} occurs {_times(twice['counts'])}")


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _labels(column: pa.ChunkedArray, info: TableInfo) -> NDArray[Any]:
    """(n,) int64 class indices, or (n, C) uint8 multi-hot."""
    several = info.task == "multi"
    if pa.types.is_list(column.type) != several:
        raise ValueError(f"task {info.task!r}, but labels are {column.type}")
    array = column.combine_chunks()
    flat = pc.list_flatten(array) if several else array
    missing = array.null_count or flat.null_count
    if missing:
        raise ValueError(f"{missing} labels are missing")
    values = np.from_dlpack(flat).astype(np.int64)
    wrong = values[(values < 0) | (values >= len(info.classes))]
    if len(wrong):
        raise ValueError(f"{len(wrong)} labels such as {wrong[0]}, expected 0 to {len(info.classes) - 1}")
    if not several:
        return values
    hot = np.zeros((len(array), len(info.classes)), dtype=np.uint8)
    hot[np.from_dlpack(pc.list_parent_indices(array)), values] = 1
    return hot
