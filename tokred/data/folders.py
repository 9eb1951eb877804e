"""Images in one folder per class."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokred.data.info import Row
from tokred.data.layout import contents
from tokred.data.text import is_utf8, printable

#: File name suffixes of torchvision's folder data sets.
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class Walk:
    """Recursive listing of folders, which follows links and reads no folder twice.

    A link to a folder that was read would give images twice, or never end. An unreadable folder or a dangling
    link would silently give fewer images. All of these are errors.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[int, int], str] = {}

    def enter(self, folder: str | Path) -> None:
        """Record that a folder is read.

        Raises:
            ValueError: the folder was read before under another name.
        """
        status = os.stat(folder)
        first = self._read.setdefault((status.st_dev, status.st_ino), str(folder))
        if first != str(folder):
            raise ValueError(
                f"{printable(str(folder))}: a link to {printable(first)}, which would be read twice; "
                "remove one of the two"
            )

    def files(self, folder: str | Path, suffixes: tuple[str, ...]) -> Iterator[str]:
        """Paths of files in a folder and its subfolders, sorted within each, without hidden ones.

        Args:
            suffixes: accepted file name suffixes, in lower case; files may have any case.

        Raises:
            ValueError: a folder would be read twice, or a link is dangling.
            OSError: a folder cannot be read.
        """
        for parent, below, files in os.walk(folder, followlinks=True, onerror=_fail):
            self.enter(parent)
            below[:] = sorted(name for name in below if name[0] != ".")
            for name in sorted(files):
                if name[0] == ".":
                    continue
                path = os.path.join(parent, name)  # faster than `Path`, for a million files
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
        ValueError: there are no folders, a name is not UTF-8, or a link is dangling.
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
    """Paths of images in a folder and its subfolders, sorted within each, without hidden files.

    Raises:
        ValueError: there is no image, a folder would be read twice, or a link is dangling.
    """
    count = 0
    for path in walk.files(folder, SUFFIXES):
        count += 1
        yield path
    if not count:
        raise ValueError(f"{folder}: expected images ({' '.join(SUFFIXES)}), found {contents(folder)}")


def class_rows(folder: Path, names: Sequence[str]) -> Iterator[Row]:
    """Rows of all images, class by class; the id of an image is its path relative to the folder.

    Raises:
        ValueError: a folder is not a class, or has no images; see also `Walk`.
    """
    prefix = os.path.join(folder, "")
    # A name has several Unicode forms (macOS decomposes accents); exact matches take precedence.
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
