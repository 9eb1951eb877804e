"""The original archives of ILSVRC2012, read without unpacking them, and labels of its validation images."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from tokred.data.info import Row
from tokred.data.layout import require
from tokred.data.text import decoded

#: The archive of each split; labels of validation images are in the development kit.
FILES = {"train": "ILSVRC2012_img_train.tar", "test": "ILSVRC2012_img_val.tar"}
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
_TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
_NUMBER = re.compile(r"ILSVRC2012_val_([0-9]{8})")


def wnids(root: Path, split: str) -> list[str]:
    """Sorted WordNet ids: of the archives in the training archive, or of the development kit."""
    if split == "test":
        return sorted(_synsets(root).values())
    with _explained(root / FILES["train"]), tarfile.open(root / FILES["train"], "r:") as archive:
        return sorted(PurePosixPath(member.name).stem for member in archive if member.name.endswith(".tar"))


def rows(root: Path, split: str, names: Sequence[str]) -> Iterator[Row]:
    """Rows with bytes, in the order of the archive."""
    labels = {name: label for label, name in enumerate(names)}
    with _explained(root / FILES[split]):
        yield from _train_rows(root, labels) if split == "train" else _val_rows(root, labels)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Context that turns errors of a damaged archive into a ValueError with its path."""
    try:
        yield
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path}: damaged archive: {error}") from error


def _train_rows(root: Path, labels: dict[str, int]) -> Iterator[Row]:
    with tarfile.open(root / FILES["train"], "r:") as archive:
        for member in archive:
            if member.name.endswith(".tar"):
                label = labels[PurePosixPath(member.name).stem]
                with tarfile.open(fileobj=archive.extractfile(member), mode="r:") as images:
                    for name, data in _files(images):
                        yield Row(PurePosixPath(name).stem, data, name, label)


def _val_rows(root: Path, labels: dict[str, int]) -> Iterator[Row]:
    truth = validation_wnids(root)
    with tarfile.open(root / FILES["test"], "r:") as archive:
        for name, data in _files(archive):
            wnid = wnid_of(name, truth, root / FILES["test"])
            yield Row(PurePosixPath(name).stem, data, name, labels[wnid])


def is_validation_image(name: str) -> bool:
    """Whether a file has the name of one of ILSVRC2012's validation images."""
    return _NUMBER.fullmatch(PurePosixPath(name).stem) is not None


def wnid_of(name: str, truth: Sequence[str], source: Path) -> str:
    """The WordNet id of a validation image, by its number.

    Args:
        name: name of its file.
        truth: `validation_wnids`.
        source: where it is, for the error.

    Raises:
        ValueError: it is none of the numbered images.
    """
    number = _NUMBER.fullmatch(PurePosixPath(name).stem)
    if number is None or not 1 <= int(number[1]) <= len(truth):
        raise ValueError(
            f"{source}: image {name!r}, expected ILSVRC2012_val_00000001.JPEG to "
            f"ILSVRC2012_val_{len(truth):08d}.JPEG, since {_TRUTH} has {len(truth)} lines"
        )
    return truth[int(number[1]) - 1]


def _files(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        if member.isfile():
            yield member.name, _opened(archive, member).read()


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """A member of an archive; ValueError if it is not a file."""
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{archive.name!r}: expected a file {member.name!r}, found another kind of member")
    return file


def _synsets(root: Path) -> dict[int, str]:
    """WordNet ids of the classes by their number in the development kit (data/meta.mat)."""
    from scipy.io import loadmat

    path = require(root, [DEVKIT]) / DEVKIT
    with _explained(path), tarfile.open(path) as archive:
        member = _member(archive, "data/meta.mat", root)
        try:
            synsets = np.atleast_1d(loadmat(member, squeeze_me=True)["synsets"])
            leaves = synsets[synsets["num_children"].astype(int) == 0]
            return {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in leaves}
        # SciPy's exceptions for other bytes, and NumPy's for an array without these fields.
        except (ValueError, KeyError, TypeError, IndexError, NotImplementedError) as error:
            raise ValueError(
                f"{path}: expected an array 'synsets' with fields ILSVRC2012_ID, WNID and num_children in "
                f"data/meta.mat: {type(error).__name__}: {error}"
            ) from error


def validation_wnids(root: Path) -> list[str]:
    """The WordNet id of every validation image, of the development kit in a folder.

    Raises:
        ValueError: the kit is damaged, or not ILSVRC2012's.
    """
    synsets = _synsets(root)
    with _explained(root / DEVKIT), tarfile.open(root / DEVKIT) as archive:
        text = decoded(_member(archive, _TRUTH, root).read(), f"{root / DEVKIT}: {_TRUTH}")
    lines = text.split()
    invalid = next((line for line in lines if not line.isdecimal()), None)
    if invalid is not None:
        raise ValueError(f"{root / DEVKIT}: {_TRUTH}: expected one number per line, found {invalid!r}")
    numbers = [int(line) for line in lines]
    unknown = sorted(set(numbers) - set(synsets))
    if unknown:
        raise ValueError(f"{root / DEVKIT}: {_TRUTH} names class {unknown[0]}, expected one of data/meta.mat")
    return [synsets[number] for number in numbers]


def _member(archive: tarfile.TarFile, name: str, root: Path) -> IO[bytes]:
    for member in archive:
        if member.name.endswith(name):
            return _opened(archive, member)
    raise ValueError(f"{root / DEVKIT}: expected a file {name} in it, found none")
