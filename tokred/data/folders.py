"""Images in one folder per class."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokred.data.info import Row
from tokred.data.layout import contents
from tokred.data.text import is_utf8, printable

#: The suffixes of torchvision's folder data sets.
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class Walk:
    """Walks through folders, links to folders included, and reads no folder twice.

    A link that leads back to a folder that was read would give the same images twice, or never end. A folder
    that cannot be read, or a link that leads nowhere, would silently give fewer images. All of these are
    errors.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[int, int], str] = {}

    def enter(self, folder: str | Path) -> None:
        """Note that a folder is being read.

        Raises:
            ValueError: it was read before, under this name or another one.
        """
        facts = os.stat(folder)
        before = self._read.setdefault((facts.st_dev, facts.st_ino), str(folder))
        if before != str(folder):
            raise ValueError(
                f"{printable(str(folder))}: a link to {printable(before)}, which would be read twice; "
                "remove one of the two"
            )

    def files(self, folder: str | Path, suffixes: tuple[str, ...]) -> Iterator[str]:
        """Paths of files in a folder and in folders below it, sorted within each; hidden ones are left out.

        Args:
            suffixes: in lower case; those of the files may be in any.

        Raises:
            ValueError: a folder is read twice, or a link leads nowhere.
            OSError: a folder cannot be read.
        """
        for parent, below, files in os.walk(folder, followlinks=True, onerror=_fail):
            self.enter(parent)
            below[:] = sorted(name for name in below if name[0] != ".")
            for name in sorted(files):
                if name[0] == ".":
                    continue
                path = os.path.join(parent, name)  # faster than a Path, and there are a million of them
                if name.lower().endswith(suffixes):
                    yield path
                elif not os.path.exists(path):
                    raise _dangling(path)


def _fail(error: OSError) -> None:
    raise error


def _dangling(path: str) -> ValueError:
    return ValueError(f"{printable(path)}: a link to {printable(os.readlink(path))}, which does not exist")


def class_names(folder: Path) -> list[str]:
    """Sorted names of the folders in a folder.

    Raises:
        ValueError: there are none, a name is not UTF-8, or a link leads nowhere.
    """
    entries = [entry for entry in os.scandir(folder) if entry.name[0] != "."]
    for entry in entries:
        if not os.path.exists(entry.path):
            raise _dangling(entry.path)
    names = sorted(entry.name for entry in entries if entry.is_dir())
    if not names:
        raise ValueError(f"{folder}: expected one folder per class, found {contents(folder)}")
    for name in names:
        if not is_utf8(name):
            raise ValueError(
                f"{folder}: the name of class {printable(name)!r} is not UTF-8; rename its folder"
            )
    return names


def images_below(folder: Path, walk: Walk) -> Iterator[str]:
    """Paths of images in a folder and in folders below it, sorted within each; hidden files are none.

    Raises:
        ValueError: there is no image, a folder is read twice, or a link leads nowhere.
    """
    count = 0
    for path in walk.files(folder, SUFFIXES):
        count += 1
        yield path
    if not count:
        raise ValueError(f"{folder}: expected images ({' '.join(SUFFIXES)}), found {contents(folder)}")


def class_rows(folder: Path, names: Sequence[str]) -> Iterator[Row]:
    """Rows of all images, class by class; an image's id is its path below the folder.

    Raises:
        ValueError: a folder that is no class, or one without images; see also `Walk`.
    """
    prefix = os.path.join(folder, "")
    # One name may be composed in two ways (macOS takes accents apart); the exact one comes first.
    labels = {unicodedata.normalize("NFC", name): label for label, name in enumerate(names)}
    labels |= {name: label for label, name in enumerate(names)}
    walk = Walk()
    for name in class_names(folder):
        label = labels.get(name, labels.get(unicodedata.normalize("NFC", name)))
        if label is None:
            raise ValueError(
                f"{folder}: folder {name!r} is none of the {len(names)} classes of the data set: "
                f"{', '.join(names[:10])}{' and others' if len(names) > 10 else ''}"
            )
        for path in images_below(folder / name, walk):
            yield Row(path[len(prefix) :], None, path, label)
