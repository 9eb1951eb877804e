"""Parquet shards of Hugging Face data sets: which files they are, and what their labels mean."""

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
    """The shards of the first of some splits that there is, in the order of their numbers.

    Raises:
        ValueError: there are none, or not all of them.
    """
    files = [Path(path) for path in Walk().files(root, (".parquet",))]
    for split in splits:
        name = re.compile(rf"{re.escape(split)}(-(\d+)-of-(\d+)(-\w+)?)?\.parquet")
        found = {path: name.fullmatch(path.name) for path in sorted(files)}
        numbers = {path: match for path, match in found.items() if match}
        if numbers:
            _check_complete(
                root,
                split,
                [(int(match[2]), int(match[3])) if match[3] else None for match in numbers.values()],
            )
            return sorted(numbers, key=lambda path: int(numbers[path][2] or 0))
    raise wrong(root, " or ".join(f"{split}-00000-of-00001.parquet" for split in splits) + " below it")


def _check_complete(root: Path, split: str, numbers: Sequence[tuple[int, int] | None]) -> None:
    """Exactly one file without numbers, or every number of one count."""
    total = numbers[0][1] if numbers[0] else 1
    expected = [(number, total) for number in range(total)] if numbers[0] else [None]
    if sorted(numbers, key=str) != sorted(expected, key=str):
        raise ValueError(
            f"data set folder {root}: {len(numbers)} shards of split {split!r}, expected {len(expected)} "
            "(are some missing, or of another configuration of the data set?)"
        )


def schema(file: Path) -> pa.Schema:
    """The schema of a Parquet file; ValueError that names the file where it is none."""
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
    """Names of the classes, decided from the shards of the training split.

    They are the names in the shards' metadata, in the order of the first shard, followed by names that only
    later shards have. Where there are none, they are the sorted values of the label column.

    Raises:
        ValueError: some shards have names and others only numbers, a label is missing, or labels are of types
            that cannot be class names.
    """
    named = [names(file, column) for file in files]
    if any(found is not None for found in named):
        return tuple(dict.fromkeys(name for found in named for name in found or ()))
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


def meaning(file: Path, column: str, labels: Mapping[str, int], named: bool) -> dict[Any, int | None]:
    """The class index of every value that the label column of one shard may have.

    A number counts in the list of names of its own shard, whatever the order in other shards.

    Args:
        labels: class index by name.
        named: whether the names come from metadata.

    Returns:
        None stands for a class that the training split does not have.

    Raises:
        ValueError: a shard with numbers lacks the names that others have, or the column has another type.
    """
    found, kind = names(file, column), schema(file).field(column).type
    inner = kind.value_type if _is_list(kind) else kind
    inner = inner.value_type if pa.types.is_dictionary(inner) else inner
    is_text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if not (is_text or pa.types.is_integer(inner) or pa.types.is_boolean(inner)):
        raise ValueError(
            f"{file}: column {column!r}: expected class numbers or names, or lists of them, found {kind}"
        )
    if found is not None and not is_text:
        return {number: labels.get(name) for number, name in enumerate(found)}
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
    """Class names in the metadata of one shard, of a class label or of a list of them; None without any.

    Raises:
        ValueError: the metadata are not what the library `datasets` writes.
    """
    stored = (schema(file).metadata or {}).get(b"huggingface")
    if stored is None:
        return None
    try:
        feature = json.loads(stored)["info"]["features"].get(column)
        while feature is not None and "names" not in feature:
            feature = feature[0] if isinstance(feature, list) else feature.get("feature")
        found = None if feature is None else feature["names"]
        if found is None or (isinstance(found, list) and all(isinstance(name, str) for name in found)):
            return found
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        pass
    raise ValueError(
        f"{file}: its metadata 'huggingface' do not say what column {column!r} is: "
        f"{shortened(stored.decode(errors='replace'))}"
    )
