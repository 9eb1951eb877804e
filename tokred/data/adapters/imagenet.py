"""`imagenet`: ILSVRC2012, as folders or as the original archives; its validation split is our "test".

Folders `train/<wnid>/*.JPEG` and `val/<wnid>/*.JPEG`, or `ILSVRC2012_img_train.tar` (with one archive per
class), `ILSVRC2012_img_val.tar` and `ILSVRC2012_devkit_t12.tar.gz`. Classes are the 1000 WordNet ids in the
order of their names, which is the order of pretrained classifiers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tokred.data import imagenet_archives as archives
from tokred.data.folders import class_names, class_rows
from tokred.data.info import Row, TableInfo, check_split
from tokred.data.layout import check_root, wrong
from tokred.data.options import ImageNetOptions
from tokred.data.source import RowSource

_FOLDERS = {"train": "train", "test": "val"}
#: Images of the whole data set, and smallest and largest number of a class (Russakovsky et al., 2015, table
#: 2).
_WHOLE = {"train": 1_281_167, "test": 50_000}
_PER_CLASS = {"train": (732, 1300), "test": (50, 50)}
_WNID = re.compile(r"n[0-9]{8}")


def rows(split: str, options: ImageNetOptions) -> tuple[TableInfo, RowSource]:
    """The table's description, and its images; the id of an image is its file name without suffix."""
    root = check_root(options.root)
    folder = root / _FOLDERS[check_split(split)]
    total = options.count_of(split)
    per_class = _PER_CLASS[split] if total == _WHOLE[split] else (1, float("inf"))
    if folder.is_dir():
        names, read = _wnids(folder), partial(_folder_rows, folder)
    elif (root / archives.FILES[split]).is_file():
        options.must_pack(str(root / archives.FILES[split]))
        names, read = archives.wnids(root, split), partial(archives.rows, root, split)
    else:
        raise wrong(root, f"{folder.name}/<wnid>/*.JPEG or {archives.FILES[split]}")
    _check_classes(names, root, options)
    info = TableInfo("imagenet", split, "single", tuple(names))
    return info, RowSource(partial(read, names), total, per_class, listed=folder.is_dir())


def _wnids(folder: Path) -> list[str]:
    names = class_names(folder)
    invalid = [name for name in names if not _WNID.fullmatch(name)]
    if invalid:
        raise ValueError(
            f"{folder}: expected folders with WordNet ids such as n01440764, found {invalid[0]!r}"
        )
    return names


def _folder_rows(folder: Path, names: list[str]) -> Iterator[Row]:
    for row in class_rows(folder, names):
        yield replace(row, image_id=Path(row.path).stem)


def _check_classes(names: list[str], root: Path, options: ImageNetOptions) -> None:
    """Raise ValueError if the splits have different classes, since labels would mean different classes."""
    options.check_classes(len(names), root)
    others = [class_names(root / name) for name in _FOLDERS.values() if (root / name).is_dir()]
    if (root / archives.FILES["train"]).is_file():
        others.append(archives.wnids(root, "train"))
    for other in others:
        different = sorted(set(other) ^ set(names))
        if different:
            raise ValueError(
                f"{root}: expected the same classes in both splits, but {len(different)} are in one only, "
                f"such as {different[0]!r}"
            )
