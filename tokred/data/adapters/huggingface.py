"""`huggingface`: an image data set of Hugging Face on disk, as Parquet shards.

Shards such as `data/train-00000-of-00002.parquet` may be in any folder below `root`. Images are structs of
encoded `bytes` and `path` (relative to `root`, if the bytes are null); a label is a class, or a list of
classes. Classes
are those of the training split: the names in the metadata of its shards, or the sorted values of its label
column. If the metadata of a shard have the classes in another order, labels are matched by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tokred.data import shards
from tokred.data.info import Row, TableInfo, check_split
from tokred.data.layout import check_root
from tokred.data.options import HuggingFaceOptions
from tokred.data.source import RowSource

_TEST_SPLITS = ("test", "validation", "valid", "val")
#: Rows that are read at a time.
_BATCH = 16


def rows(split: str, options: HuggingFaceOptions) -> tuple[TableInfo, RowSource]:
    """The table's description, and its images in the order of the shards; ids are split and number."""
    check_split(split)
    root = check_root(options.root)
    train = shards.find(root, (options.train_split,))
    tests = (options.test_split,) if options.test_split else _TEST_SPLITS
    files = train if split == "train" else shards.find(root, tests)
    for file in files:
        _check_columns(file, options)
    names = shards.classes(train, options.label_column)
    options.check_classes(len(names), root)
    several = shards.has_lists(train[0], options.label_column)
    for file in files:
        if shards.has_lists(file, options.label_column) != several:
            expected = "a list of classes" if several else "one class"
            raise ValueError(
                f"{file}: column {options.label_column!r}: expected {expected} an image, as {train[0]} has"
            )
    info = TableInfo("huggingface", split, "multi" if several else "single", names)
    labels = {name: label for label, name in enumerate(names)}
    named = any(shards.names(file, options.label_column) is not None for file in train)
    meanings = {file: shards.label_indices(file, options.label_column, labels, named) for file in files}
    read = partial(_rows, root, split, meanings, options, len(names))
    return info, RowSource(read, options.count_of(split), listed=False)


def _check_columns(file: Path, options: HuggingFaceOptions) -> None:
    schema = shards.schema(file)
    for column in (options.image_column, options.label_column):
        if column not in schema.names:
            raise ValueError(f"{file}: expected a column {column!r}, found {', '.join(schema.names)}")
    kind = schema.field(options.image_column).type
    if not pa.types.is_struct(kind) or {"bytes", "path"} - {field.name for field in kind}:
        raise ValueError(
            f"{file}: expected a struct of bytes and path in column {options.image_column!r}, found {kind}"
        )


def _rows(
    root: Path,
    split: str,
    meanings: dict[Path, dict[object, int | None]],
    options: HuggingFaceOptions,
    count: int,
) -> Iterator[Row]:
    """Rows of all shards.

    Args:
        meanings: class index of every label value, by shard.
        count: number of classes.
    """
    columns = [options.image_column, options.label_column]
    index = 0
    for file, labels in meanings.items():
        # Without pre-buffering, since a row group of a shard may be too large for memory.
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=2**20) as stored:
            for batch in stored.iter_batches(_BATCH, columns=columns):
                for image, label in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                    image_id = f"{split}-{index:08d}"
                    found = _label(label, labels, f"{file}, {image_id}", count)
                    yield _row(image_id, image, found, root, options)
                    index += 1


def _row(
    image_id: str,
    image: dict[str, Any] | None,
    label: int | list[int],
    root: Path,
    options: HuggingFaceOptions,
) -> Row:
    data, path = (image or {}).get("bytes"), (image or {}).get("path")
    if data is not None:
        options.must_pack(f"data set folder {root}: Parquet shards with the bytes of images")
        return Row(image_id, data, path or image_id, label)
    if path is None:
        raise ValueError(f"data set folder {root}: image {image_id!r} has neither bytes nor a path")
    return Row(image_id, None, str(root / path), label)


def _label(value: Any, labels: dict[Any, int | None], where: str, count: int) -> Any:
    found = [labels.get(one) for one in value] if isinstance(value, list) else labels.get(value)
    unknown = [one for one in (value if isinstance(value, list) else [value]) if labels.get(one) is None]
    if unknown:
        raise ValueError(
            f"{where}: label {unknown[0]!r}, expected one of the {count} classes of the training split"
        )
    return found
