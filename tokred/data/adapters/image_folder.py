"""`image_folder`: one folder per split, with one folder per class inside, as for torchvision's `ImageFolder`.

Classes are the folders of the training split, sorted by name; without one, which only studies without training can
do, those of the test split. With the option `masks_folder: masks` the
object mask of `val/cat/1.jpg` is `masks/val/cat/1.png`. Images, and the whole training split, may lack masks,
but every mask must have an image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tokred.data.folders import Walk, class_names, class_rows
from tokred.data.info import Row, TableInfo
from tokred.data.layout import check_root, require, wrong
from tokred.data.options import ImageFolderOptions
from tokred.data.source import RowSource

#: Possible names of the test split's folder.
_TEST_FOLDERS = ("test", "val", "valid", "validation")


def rows(split: str, options: ImageFolderOptions) -> tuple[TableInfo, RowSource]:
    """The table's description, and its images."""
    root = check_root(options.root)
    tests = (options.test_folder,) if options.test_folder else _TEST_FOLDERS
    trains = (options.train_folder,)
    folder = _folder(root, trains if split == "train" else tests)
    labeled = root / options.train_folder
    labeled = labeled if labeled.is_dir() else folder
    names = class_names(labeled)
    options.check_classes(len(names), labeled)
    info = TableInfo("image_folder", split, "single", tuple(names))
    read: Callable[[], Iterator[Row]] = partial(class_rows, folder, names)
    if options.masks_folder is not None:
        below = f"{options.masks_folder}/{folder.relative_to(root).as_posix()}/"
        if split == "test" or (root / below).is_dir():
            read = partial(_with_masks, read, require(root, [below]) / below)
    return info, RowSource(read, options.count_of(split))


def _with_masks(read: Callable[[], Iterator[Row]], folder: Path) -> Iterator[Row]:
    """Rows with the files of their masks, where these exist.

    Raises:
        ValueError: a mask has no image, or several.
    """
    prefix = os.path.join(folder, "")
    unused = {_stem(path[len(prefix) :]): path for path in Walk().files(folder, (".png",))}
    image_of: dict[str, str] = {}
    for row in read():
        stem = _stem(row.image_id)
        mask = unused.pop(stem, None)
        if mask is not None:
            image_of[stem] = row.image_id
        elif stem in image_of:
            raise ValueError(
                f"{prefix}{stem}.png: is the mask of both {image_of[stem]} and {row.image_id}; rename one"
            )
        yield replace(row, mask=mask)
    if unused:
        raise ValueError(
            f"{min(unused.values())}: a mask without an image (of {len(unused)} such); expected an image of "
            "the same folder and name, with any suffix"
        )


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    """The first of several folders that exists; ValueError if none does."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise wrong(root, " or ".join(f"{name}/" for name in names))
