"""Checks of a data set's folder, with errors that list its contents."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from tokred.data.text import is_utf8, printable

_SHOWN = 10


def check_root(root: str | Path) -> Path:
    """The data set's folder; ValueError if it does not exist, or its name is not UTF-8."""
    root = Path(root)
    if not is_utf8(str(root)):
        raise ValueError(f"data set folder {printable(str(root))}: its name is not UTF-8; rename the folder")
    # Snakemake's own process may have another locale than jobs, which use UTF-8 for file names.
    name = str(root).encode()
    if os.path.isdir(name):
        return root
    if os.path.exists(name):
        raise ValueError(f"data set folder {root}: expected a folder, found a file")
    parent = next((folder for folder in root.absolute().parents if folder.is_dir()), Path("/"))
    raise ValueError(f"data set folder {root} does not exist; {parent} has {contents(parent)}")


def require(root: str | Path, names: Iterable[str]) -> Path:
    """The data set's folder; ValueError if it lacks a file or (names ending in "/") a folder."""
    root, names = check_root(root), list(names)
    if not all((root / name).is_dir() if name.endswith("/") else (root / name).is_file() for name in names):
        raise wrong(root, ", ".join(names))
    return root


def wrong(root: Path, expected: str) -> ValueError:
    """The error for a folder with unexpected contents."""
    return ValueError(f"data set folder {root}: expected {expected}; found {contents(root)}")


def contents(folder: Path) -> str:
    """The first few names in a folder, for a message."""
    entries = sorted(printable(f"{e.name}/" if e.is_dir() else e.name) for e in folder.iterdir())
    shown = ", ".join(islice(entries, _SHOWN))
    more = f", and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return f"{shown}{more}" if entries else "nothing"
