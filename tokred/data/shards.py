"""Parquet shards of Hugging Face data sets: their files, and the classes of their labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tokred.data.folders import Walk
from tokred.data.layout import wrong
from tokred.data.text import shortened


def find(root: Path, splits: Sequence[str]) -> list[Path]:
    """The shards of the first split that exists, in the order of their numbers.

    Raises:
        ValueError: no split exists, or some of its shards are missing.
    """
    files = [Path(path) for path in Walk().files(root, (".parquet",))]
    for split in splits:
        name = re.compile(rf"{re.escape(split)}(-(\d+)-of-(\d+)(-\w+)?)?\.parquet")
        matches = {path: name.fullmatch(path.name) for path in sorted(files)}
        numbers = {path: match for path, match in matches.items() if match}
        if numbers:
            _check_complete(
                root,
                split,
                [(int(match[2]), int(match[3])) if match[3] else None for match in numbers.values()],
            )
            return sorted(numbers, key=lambda path: int(numbers[path][2] or 0))
    raise wrong(root, " or ".join(f"{split}-00000-of-00001.parquet" for split in splits) + " below it")


def _check_complete(root: Path, split: str, numbers: Sequence[tuple[int, int] | None]) -> None:
    """Raise ValueError unless there is one file without a number, or each of n numbered shards once."""
    total = numbers[0][1] if numbers[0] else 1
    expected = [(number, total) for number in range(total)] if numbers[0] else [None]
    if sorted(numbers, key=str) != sorted(expected, key=str):
        raise ValueError(
            f"data set folder {root}: {len(numbers)} shards of split {split!r}, expected {len(expected)} "
            "(are some missing, or of another configuration of the data set?)"
        )


def schema(file: Path) -> pa.Schema:
    """The schema of a Parquet file; ValueError with its path if it is not Parquet."""
    try:
        return pq.read_schema(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{file}: not a Parquet file: {error}") from error


def has_lists(file: Path, column: str) -> bool:
    """Whether an image has a list of labels."""
    return _is_list(schema(file).field(column).type)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def classes(files: Sequence[Path], column: str) -> tuple[str, ...]:
    """Names of the classes, from the shards of the training split.

    They are the names in the shards' metadata, in the order of the first shard, followed by names that only
    later shards have. Without names in the metadata, they are the sorted values of the label column.

    Raises:
        ValueError: labels are text in some shards and numbers in others, or a label is missing.
    """
    named = [names(file, column) for file in files]
    if any(of_shard is not None for of_shard in named):
        return tuple(dict.fromkeys(name for of_shard in named for name in of_shard or ()))
    values: set[Any] = set()
    for file in files:
        stored = pq.read_table(file, columns=[column])[column]
        flat = pc.list_flatten(stored) if _is_list(stored.type) else stored
        values |= set(pc.unique(flat).to_pylist())
    if None in values:
        raise ValueError(f"{files[0].parent}: expected a label for every image, found nulls")
    if len({isinstance(value, str) for value in values}) > 1:
        raise ValueError(f"{files[0].parent}: labels are text in some shards and numbers in others")
    return tuple(map(str, sorted(values)))


def label_indices(file: Path, column: str, labels: Mapping[str, int], named: bool) -> dict[Any, int | None]:
    """The class index of every value that the label column of one shard may have.

    A number is an index into the list of names of its own shard, which may be in another order than in other
    shards.

    Args:
        labels: class index by name.
        named: whether the names come from metadata.

    Returns:
        Class index by value; None for a class that the training split does not have.

    Raises:
        ValueError: a shard with numbers has no class names while others do, or the column has another type.
    """
    class_names, kind = names(file, column), schema(file).field(column).type
    inner = kind.value_type if _is_list(kind) else kind
    inner = inner.value_type if pa.types.is_dictionary(inner) else inner
    is_text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if not (is_text or pa.types.is_integer(inner) or pa.types.is_boolean(inner)):
        raise ValueError(
            f"{file}: column {column!r}: expected class numbers or names, or lists of them, found {kind}"
        )
    if class_names is not None and not is_text:
        return {number: labels.get(name) for number, name in enumerate(class_names)}
    if named and not is_text:
        raise ValueError(
            f"{file}: column {column!r} has numbers and no class names in its metadata, while other shards "
            "have names: which class a number means is unknown"
        )
    if is_text:
        return dict(labels)
    return {value: labels.get(str(value)) for value in _distinct(file, column)}


def _distinct(file: Path, column: str) -> list[object]:
    stored = pq.read_table(file, columns=[column])[column]
    flat = pc.list_flatten(stored) if _is_list(stored.type) else stored
    return pc.unique(flat).drop_null().to_pylist()


def names(file: Path, column: str) -> list[str] | None:
    """Class names in the metadata of one shard, of a class label or of a list of them; None if there are
    none.

    Raises:
        ValueError: the metadata do not have the format of the library `datasets`.
    """
    stored = (schema(file).metadata or {}).get(b"huggingface")
    if stored is None:
        return None
    try:
        feature = json.loads(stored)["info"]["features"].get(column)
        while feature is not None and "names" not in feature:
            feature = feature[0] if isinstance(feature, list) else feature.get("feature")
        stored_names = None if feature is None else feature["names"]
        if stored_names is None or (
            isinstance(stored_names, list) and all(isinstance(name, str) for name in stored_names)
        ):
            return stored_names
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        pass
    raise ValueError(
        f"{file}: its metadata 'huggingface' do not say what column {column!r} is: "
        f"{shortened(stored.decode(errors='replace'))}"
    )
