"""The image table: one Parquet format for every data set.

Columns, in the image layout of Hugging Face `datasets`: `image_id` (unique and stable), `image` (a struct of
encoded `bytes` and `path`), `label` (a class index, or a list of them for several labels). The schema's
metadata say what the table holds, as a `TableInfo`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tokred import tables

#: Rows in a row group: images are read and written in groups of so many.
GROUP = 1024
#: What Pillow raises for bytes that are no image, or only part of one, or far too large.
_UNDECODABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class TableInfo:
    """What a table holds.

    Attributes:
        dataset: name of the data set.
        split: "train" or "test".
        task: "single" (one label an image) or "multi" (any number).
        classes: class names, in the order of labels.
    """

    dataset: str
    split: str
    task: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One image: its id, its encoded bytes, a name for them, its label or labels."""

    image_id: str
    data: bytes
    path: str
    label: int | list[int]


def write(path: str | Path, info: TableInfo, rows: Iterable[Row]) -> None:
    """Write a table, streaming.

    Raises:
        ValueError: a label outside the classes, an id that occurred before, or no rows at all.
    """
    seen: set[str] = set()
    with tables.stream(path, _schema(info), asdict(info), rows=GROUP) as writer:
        iterator = iter(rows)
        while group := list(islice(iterator, GROUP)):
            for row in group:
                _check(row, info, seen)
            writer.add(_columns(group, info))
        if not seen:
            raise ValueError(f"{path}: data set {info.dataset!r} has no images in split {info.split!r}")


def _columns(rows: list[Row], info: TableInfo) -> dict[str, pa.Array]:
    return {
        "image_id": pa.array([row.image_id for row in rows]),
        "image": pa.array([{"bytes": row.data, "path": row.path} for row in rows], _IMAGE),
        "label": pa.array([row.label for row in rows], _label_type(info)),
    }


def _label_type(info: TableInfo) -> pa.DataType:
    return pa.int32() if info.task == "single" else pa.list_(pa.int32())


def _schema(info: TableInfo) -> pa.Schema:
    feature = {"_type": "ClassLabel", "names": list(info.classes)}
    features = {
        "image_id": {"_type": "Value", "dtype": "string"},
        "image": {"_type": "Image"},
        "label": feature if info.task == "single" else {"_type": "List", "feature": feature},
    }
    schema = pa.schema([("image_id", pa.string()), ("image", _IMAGE), ("label", _label_type(info))])
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _check(row: Row, info: TableInfo, seen: set[str]) -> None:
    labels = [row.label] if info.task == "single" else row.label
    wrong = [label for label in labels if not 0 <= label < len(info.classes)]
    if wrong:
        raise ValueError(
            f"data set {info.dataset!r}, image {row.image_id!r}: label {wrong[0]}, "
            f"expected 0 to {len(info.classes) - 1}"
        )
    if row.image_id in seen:
        raise ValueError(f"data set {info.dataset!r}: image id {row.image_id!r} occurs twice")
    seen.add(row.image_id)


class ImageTable:
    """A table on disk.

    Attributes:
        info: what it holds.
        image_ids: (n,) ids.
        labels: (n,) int64, or (n, C) uint8 multi-hot.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image table.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        facts = tables.metadata(path)
        if set(facts) != {"dataset", "split", "task", "classes"}:
            raise ValueError(f"{path}: not an image table (its metadata are {sorted(facts)})")
        self.info = TableInfo(**{**facts, "classes": tuple(facts["classes"])})
        stored = pq.read_table(path, columns=["image_id", "label"])
        self.image_ids = stored["image_id"].to_numpy()
        self.labels = self._labels(stored["label"])
        footer = pq.read_metadata(path)
        self._group_ends = np.cumsum([footer.row_group(i).num_rows for i in range(footer.num_row_groups)])

    def __len__(self) -> int:
        return len(self.image_ids)

    def _labels(self, column: pa.ChunkedArray) -> NDArray:
        if self.info.task == "single":
            return column.to_numpy().astype(np.int64)
        hot = np.zeros((len(column), len(self.info.classes)), dtype=np.uint8)
        for index, labels in enumerate(column.to_pylist()):
            hot[index, labels] = 1
        return hot

    def __iter__(self) -> Iterator[tuple[str, NDArray]]:
        """Ids and decoded (height, width, 3) uint8 images, in order and in bounded memory."""
        with pq.ParquetFile(self.path) as stored:
            for batch in stored.iter_batches(batch_size=GROUP, columns=["image_id", "image"]):
                ids, data = batch["image_id"].to_pylist(), batch["image"].field("bytes")
                for image_id, encoded in zip(ids, data, strict=True):
                    yield image_id, self._decode(image_id, encoded.as_py())

    def image(self, index: int) -> Image.Image:
        """One decoded image (RGB), in any order; for data sets that do not fit into memory."""
        group = int(np.searchsorted(self._group_ends, index, side="right"))
        first = 0 if group == 0 else int(self._group_ends[group - 1])
        with pq.ParquetFile(self.path) as stored:
            column = stored.read_row_group(group, columns=["image"])["image"]
        return self._open(self.image_ids[index], column[index - first]["bytes"].as_py())

    def images(self) -> NDArray:
        """(n, height, width, 3) uint8: everything decoded, for data sets that fit into memory.

        Raises ValueError where sizes differ.
        """
        decoded = [image for _, image in self]
        sizes = {image.shape[:2] for image in decoded}
        if len(sizes) != 1:
            raise ValueError(f"{self.path}: images are of {len(sizes)} sizes, expected one")
        return np.stack(decoded)

    def _decode(self, image_id: str, data: bytes) -> NDArray:
        return np.asarray(self._open(image_id, data))

    def _open(self, image_id: str, data: bytes) -> Image.Image:
        try:
            return Image.open(io.BytesIO(data)).convert("RGB")
        except _UNDECODABLE as error:
            raise ValueError(f"{self.path}: image {image_id!r} cannot be decoded: {error}") from error
