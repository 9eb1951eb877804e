"""Parquet shards of Hugging Face data sets: which files they are, and what their labels mean."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tokred.datasets.layout import wrong


def find(root: Path, splits: Sequence[str]) -> list[Path]:
    """The shards of the first of some splits that there is, in the order of their numbers.

    Raises:
        ValueError: there are none, or not all of them.
    """
    for split in splits:
        name = re.compile(rf"{re.escape(split)}(-(\d+)-of-(\d+)(-\w+)?)?\.parquet")
        found = {path: name.fullmatch(path.name) for path in sorted(root.rglob("*.parquet"))}
        numbers = {path: match for path, match in found.items() if match}
        if numbers:
            _check_complete(
                root, split, [match[3] and (int(match[2]), int(match[3])) for match in numbers.values()]
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


def has_lists(file: Path, column: str) -> bool:
    """Whether an image has a list of labels."""
    kind = pq.read_schema(file).field(column).type
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def classes(files: Sequence[Path], column: str) -> tuple[tuple[str, ...], list[object]]:
    """Names of the classes, and the values of the label column that stand for them, in that order."""
    names = _names(files[0], column)
    if names is not None:
        return tuple(names), list(range(len(names)))
    values: set[object] = set()
    for file in files:
        stored = pq.read_table(file, columns=[column])[column]
        flat = pc.list_flatten(stored) if has_lists(file, column) else stored
        values |= set(pc.unique(flat).to_pylist())
    if None in values:
        raise ValueError(f"{files[0].parent}: expected a label for every image, found nulls")
    ordered = sorted(values)
    return tuple(map(str, ordered)), ordered


def _names(file: Path, column: str) -> list[str] | None:
    """Names in the metadata: of a class label, or of a list of them."""
    stored = (pq.read_schema(file).metadata or {}).get(b"huggingface")
    feature = json.loads(stored)["info"]["features"].get(column) if stored else None
    while feature is not None and "names" not in feature:
        inner = feature[0] if isinstance(feature, list) else feature.get("feature")
        feature = inner
    return None if feature is None else feature["names"]
