"""`nuswide`: NUS-WIDE with 81 labels, as the authors of the asymmetric loss (ASL) split it.

A CSV file with columns `filepath` (below `root`), `label` (a Python list of names) and `split_name` ("train",
or "val" for our "test"). Classes are all names that occur, sorted. How many images there are depends on what
could still be downloaded: set `num_train` and `num_test` to check it.
"""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tokred.data.info import Row, TableInfo, check_split
from tokred.data.layout import require
from tokred.data.options import NUSWideOptions
from tokred.data.source import RowSource
from tokred.data.text import read_text

_SPLITS = {"train": "train", "test": "val"}
_COLUMNS = ("filepath", "label", "split_name")


def rows(split: str, options: NUSWideOptions) -> tuple[TableInfo, RowSource]:
    """The table's description, and its images in the order of the file."""
    check_split(split)
    root = require(options.root, [options.csv])
    names = sorted({name for _, present, _ in _lines(root / options.csv) for name in present})
    options.check_classes(len(names), root / options.csv)
    info = TableInfo("nuswide", split, "multi", tuple(names))
    return info, RowSource(partial(_rows, root, options.csv, _SPLITS[split], names), options.count_of(split))


def _rows(root: Path, file: str, split_name: str, names: list[str]) -> Iterator[Row]:
    labels = {name: label for label, name in enumerate(names)}
    for filepath, present, split in _lines(root / file):
        if split == split_name:
            yield Row(filepath, None, str(root / filepath), sorted({labels[name] for name in present}))


def _lines(path: Path) -> Iterator[tuple[str, list[str], str]]:
    """File, label names and split of each line.

    Raises:
        ValueError: the file is not UTF-8 or not CSV, a column is missing, a label is not a list of names, or
            a split has an unknown name.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or [])]
        if lacking:
            raise ValueError(f"{path}: expected columns {', '.join(_COLUMNS)}; found {reader.fieldnames}")
        for line in reader:
            filepath, label, split = (line[name] for name in _COLUMNS)
            if not filepath or split not in _SPLITS.values():
                raise ValueError(
                    f"{path}, line {reader.line_num}: expected a file and 'train' or 'val', "
                    f"found {filepath!r} and {split!r}"
                )
            yield filepath, _names(label, f"{path}, line {reader.line_num}"), split
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not CSV: {error}") from None


def _names(text: str | None, where: str) -> list[str]:
    try:
        names = ast.literal_eval(text or "")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{where}: expected a list of names, found {text!r}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{where}: expected a list of names, found {text!r}")
    return names
