"""`coco`: COCO 2014 as a multi-label data set of 80 categories; its validation split is our "test".

`train2014/`, `val2014/` and `annotations/instances_{train,val}2014.json`. An image has the labels of all its
annotations, crowds included; images without annotations are left out, as in the published protocol (82,081
and 40,137 remain). Classes are in the order of category ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tokred.datasets.info import Row, TableInfo, check_split
from tokred.datasets.layout import require
from tokred.datasets.options import COCOOptions
from tokred.datasets.source import Source

_YEARS = {"train": "train2014", "test": "val2014"}
#: What is kept of the annotations: outlines of objects are most of the file.
_KEYS = {"images", "annotations", "categories", "id", "file_name", "image_id", "category_id", "name"}


def rows(split: str, options: COCOOptions) -> tuple[TableInfo, Source]:
    """The table's description, and its images in the order of the annotation file."""
    year = _YEARS[check_split(split)]
    file = f"annotations/instances_{year}.json"
    root = require(options.root, [file, f"{year}/"])
    stored = _read(root / file)
    categories = {entry["id"]: entry["name"] for entry in stored["categories"]}
    options.check_classes(len(categories), root / file)
    order = sorted(categories)
    info = TableInfo("coco", split, "multi", tuple(categories[key] for key in order))
    present = _present(stored, {key: label for label, key in enumerate(order)}, root / file)
    files = {image["id"]: image["file_name"] for image in stored["images"]}
    read = partial(_rows, root / year, [(files[key], labels) for key, labels in present.items()])
    return info, Source(read, options.count_of(split))


def _read(path: Path) -> dict[str, list[dict]]:
    """The lists of an annotation file.

    Raises:
        ValueError: not JSON, or a list is missing.
    """
    try:
        stored = json.loads(path.read_bytes(), object_hook=lambda x: {k: x[k] for k in _KEYS & x.keys()})
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    lacking = [key for key in ("images", "annotations", "categories") if key not in stored]
    if lacking:
        raise ValueError(f"{path}: expected lists images, annotations, categories; {lacking[0]} is missing")
    return stored


def _present(stored: dict[str, list[dict]], labels: dict[int, int], path: Path) -> dict[int, list[int]]:
    """Sorted labels of the images that have some, by image id, in the order of the images."""
    found: dict[int, set[int]] = {image["id"]: set() for image in stored["images"]}
    if len(found) != len(stored["images"]):
        raise ValueError(f"{path}: {len(stored['images'])} images, but only {len(found)} image ids")
    for annotation in stored["annotations"]:
        for key, known in (("image_id", found), ("category_id", labels)):
            if annotation[key] not in known:
                raise ValueError(
                    f"{path}: annotation {annotation.get('id')} has {key} {annotation[key]}, found no such"
                )
        found[annotation["image_id"]].add(labels[annotation["category_id"]])
    return {image: sorted(some) for image, some in found.items() if some}


def _rows(folder: Path, images: list[tuple[str, list[int]]]) -> Iterator[Row]:
    for name, labels in images:
        yield Row(Path(name).stem, None, str(folder / name), labels)
