"""`coco`: COCO 2014 as a multi-label data set of 80 categories; its validation split is our "test".

`train2014/`, `val2014/` and `annotations/instances_{train,val}2014.json`. An image has the labels of all its
annotations, crowds included; images without annotations are left out, as in the published protocol (82,081
and 40,137 remain). Classes are the categories of the training annotations in the order of their ids.
Categories of the other file, which may have other ids, are matched by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tokred.data.info import Row, TableInfo, check_split
from tokred.data.layout import require
from tokred.data.options import COCOOptions
from tokred.data.source import RowSource
from tokred.data.text import entries, read_json

_YEARS = {"train": "train2014", "test": "val2014"}
#: Keys that are kept of annotations, since object outlines are most of the file.
_KEYS = {"images", "annotations", "categories", "id", "file_name", "image_id", "category_id", "name"}
#: Ids are numbers in COCO itself, and text in files of some exporters.
_ID = (int, str)


def rows(split: str, options: COCOOptions) -> tuple[TableInfo, RowSource]:
    """The table's description, and its images in the order of the annotation file."""
    year = _YEARS[check_split(split)]
    files = {name: f"annotations/instances_{name}.json" for name in _YEARS.values()}
    root = require(options.root, [*sorted({files["train2014"], files[year]}), f"{year}/"])
    path, train = root / files[year], root / files["train2014"]
    stored = _read(path)
    named = _categories(stored if path == train else _read(train), train)
    options.check_classes(len(named), train)
    order = _sorted(named, train)
    info = TableInfo("coco", split, "multi", tuple(named[key] for key in order))
    labels = {named[key]: label for label, key in enumerate(order)}
    present = _present(stored, _categories(stored, path), labels, path)
    images = entries(stored, "images", {"id": _ID, "file_name": str}, path)
    names = {image["id"]: image["file_name"] for image in images}
    read = partial(_rows, root / year, [(names[key], found) for key, found in present.items()])
    return info, RowSource(read, options.count_of(split))


def _read(path: Path) -> dict[str, Any]:
    """The lists of an annotation file; ValueError if it is not JSON, or a list is missing."""
    stored = read_json(path, lambda entry: {key: entry[key] for key in entry if key in _KEYS})
    lists = ("images", "annotations", "categories")
    lacking = [key for key in lists if not isinstance(stored, dict) or not isinstance(stored.get(key), list)]
    if lacking:
        raise ValueError(f"{path}: expected lists {', '.join(lists)}; {lacking[0]} is missing")
    return stored


def _categories(stored: dict[str, Any], path: Path) -> dict[int | str, str]:
    """Names of the categories by id; ValueError for duplicate ids."""
    found = entries(stored, "categories", {"id": _ID, "name": str}, path)
    named = {entry["id"]: entry["name"] for entry in found}
    if len(named) != len(found):
        raise ValueError(f"{path}: {len(found)} categories, but only {len(named)} category ids")
    return named


def _sorted(named: dict[int | str, str], path: Path) -> list[int | str]:
    kinds = {type(key).__name__ for key in named}
    if len(kinds) > 1:
        raise ValueError(f"{path}: expected category ids of one type, found {' and '.join(sorted(kinds))}")
    return sorted(named)


def _present(
    stored: dict[str, Any], named: dict[int | str, str], labels: dict[str, int], path: Path
) -> dict[int | str, list[int]]:
    """Sorted labels of images with annotations, by image id, in the order of the images.

    Args:
        named: categories of this file by id.
        labels: labels by name of the category.
    """
    images = entries(stored, "images", {"id": _ID}, path)
    found: dict[int | str, set[int]] = {image["id"]: set() for image in images}
    if len(found) != len(images):
        raise ValueError(f"{path}: {len(images)} images, but only {len(found)} image ids")
    for annotation in entries(stored, "annotations", {"image_id": _ID, "category_id": _ID}, path):
        for key, known in (("image_id", found), ("category_id", named)):
            if annotation[key] not in known:
                raise ValueError(
                    f"{path}: annotation {annotation.get('id')} has {key} {annotation[key]!r}, found no such"
                )
        name = named[annotation["category_id"]]
        if name not in labels:
            raise ValueError(
                f"{path}: annotation {annotation.get('id')} is of category {name!r}, which is none of the "
                f"{len(labels)} categories of the training annotations"
            )
        found[annotation["image_id"]].add(labels[name])
    return {image: sorted(some) for image, some in found.items() if some}


def _rows(folder: Path, images: list[tuple[str, list[int]]]) -> Iterator[Row]:
    for name, labels in images:
        yield Row(Path(name).stem, None, str(folder / name), labels)
