"""`nabirds`: North American birds, 555 classes.

Text files with an image id per line (`images.txt`, `image_class_labels.txt`, `train_test_split.txt`), names
of classes (`classes.txt`), and `images/`. `classes.txt` has 1,011 classes, since it includes the inner nodes
of `hierarchy.txt`; labels are indices into the classes with images, ordered by class id as a number, as in
earlier work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tokred.data.info import Row, TableInfo, check_split
from tokred.data.layout import require
from tokred.data.options import NABirdsOptions
from tokred.data.source import RowSource
from tokred.data.text import read_text

_FILES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")
_IN_TRAIN = {"train": "1", "test": "0"}


def rows(split: str, options: NABirdsOptions) -> tuple[TableInfo, RowSource]:
    """The table's description, and its images in the order of `images.txt`."""
    check_split(split)
    root = require(options.root, [*_FILES, "images/"])
    classes, names = _class_of_image(root), _pairs(root / "classes.txt")
    used = sorted(set(classes.values()), key=int)
    options.check_classes(len(used), root / "image_class_labels.txt")
    unnamed = [key for key in used if key not in names]
    if unnamed:
        raise ValueError(f"{root / 'classes.txt'}: class {unnamed[0]!r} has images, but no name")
    info = TableInfo("nabirds", split, "single", _distinct([(names[key], key) for key in used]))
    labels = {key: label for label, key in enumerate(used)}
    read = partial(_rows, root, _IN_TRAIN[split], {image: labels[key] for image, key in classes.items()})
    return info, RowSource(read, options.count_of(split), per_class=(1, float("inf")))


def _rows(root: Path, in_train: str, labels: dict[str, int]) -> Iterator[Row]:
    splits = _of_same_images(root, "train_test_split.txt", set(labels))
    invalid = next((image for image, value in splits.items() if value not in _IN_TRAIN.values()), None)
    if invalid is not None:
        raise ValueError(
            f"{root / 'train_test_split.txt'}: image {invalid!r}: expected 1 (training) or 0 (test), "
            f"found {splits[invalid]!r}"
        )
    for image_id, path in _pairs(root / "images.txt").items():
        if splits[image_id] == in_train:
            yield Row(image_id, None, str(root / "images" / path), labels[image_id])


def _class_of_image(root: Path) -> dict[str, str]:
    return _of_same_images(root, "image_class_labels.txt", set(_pairs(root / "images.txt")))


def _of_same_images(root: Path, name: str, images: set[str]) -> dict[str, str]:
    """A file's values by image id; ValueError for other images than `images.txt`'s, or no numbers."""
    values = _pairs(root / name)
    different = sorted(images ^ set(values))
    if different:
        raise ValueError(
            f"{root / name}: expected the images of images.txt, but {len(different)} are in one of the two "
            f"only, such as {different[0]!r}"
        )
    invalid = next((value for value in values.values() if not value.isdecimal()), None)
    if invalid is not None:
        raise ValueError(f"{root / name}: expected an image id and a number per line, found {invalid!r}")
    return values


def _pairs(path: Path) -> dict[str, str]:
    """The rest of each line, by its first word.

    Raises:
        ValueError: the file is not UTF-8, a line has a single word, or a first word occurs twice.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        key, *rest = line.strip().split(maxsplit=1)
        if not rest:
            raise ValueError(f"{path}, line {number}: expected two words or more, found {key!r} only")
        if key in pairs:
            raise ValueError(f"{path}: {key!r} occurs twice")
        pairs[key] = rest[0]
    return pairs


def _distinct(classes: list[tuple[str, str]]) -> tuple[str, ...]:
    """Names of classes, with the class id appended if several have the same name."""
    count = Counter(name for name, _ in classes)
    return tuple(name if count[name] == 1 else f"{name} [{key}]" for name, key in classes)
