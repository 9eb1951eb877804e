"""Images in one folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokred.datasets.info import Row
from tokred.datasets.layout import contents

#: The endings of torchvision's folder data sets.
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def class_names(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder; ValueError where there are none."""
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    if not names:
        raise ValueError(f"{folder}: expected one folder a class, found {contents(folder)}")
    return names


def images_below(folder: Path) -> Iterator[str]:
    """Paths of images in a folder and in folders below it, sorted within each; hidden files are none.

    Raises:
        ValueError: there is no image.
    """
    count = 0
    for parent, below, files in os.walk(folder, followlinks=True):
        below.sort()
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and name[0] != ".":
                count += 1
                yield os.path.join(parent, name)  # faster than a Path, and there are a million of them
    if not count:
        raise ValueError(f"{folder}: expected images ({' '.join(SUFFIXES)}), found {contents(folder)}")


def class_rows(folder: Path, names: Sequence[str]) -> Iterator[Row]:
    """Rows of all images, class by class; an image's id is its path below the folder.

    Raises:
        ValueError: a folder that is no class, or one without images.
    """
    labels, prefix = {name: label for label, name in enumerate(names)}, os.path.join(folder, "")
    for name in class_names(folder):
        if name not in labels:
            raise ValueError(f"{folder}: folder {name!r} is none of the {len(names)} classes of the data set")
        for path in images_below(folder / name):
            yield Row(path[len(prefix) :], None, path, labels[name])
