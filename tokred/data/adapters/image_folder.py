"""`image_folder`: a folder a split, and in it a folder a class, as torchvision's `ImageFolder` reads them.

Classes are the folders of the training split, sorted by name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tokred.data.folders import class_names, class_rows
from tokred.data.info import TableInfo
from tokred.data.layout import check_root, wrong
from tokred.data.options import ImageFolderOptions
from tokred.data.source import Source

#: What the test split's folder may be called.
_TEST_FOLDERS = ("test", "val", "valid", "validation")


def rows(split: str, options: ImageFolderOptions) -> tuple[TableInfo, Source]:
    """The table's description, and its images."""
    root = check_root(options.root)
    train = _folder(root, (options.train_folder,))
    names = class_names(train)
    options.check_classes(len(names), train)
    info = TableInfo("image_folder", split, "single", tuple(names))
    tests = (options.test_folder,) if options.test_folder else _TEST_FOLDERS
    folder = train if split == "train" else _folder(root, tests)
    return info, Source(partial(class_rows, folder, names), options.count_of(split))


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    """The first of some folders that there is; ValueError where there is none."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise wrong(root, " or ".join(f"{name}/" for name in names))
