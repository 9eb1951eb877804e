"""Options of the data set adapters, as frozen dataclasses with their defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass


def _check_count(name: str, value: object, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"option {name!r}: expected int >= {low}, got {value!r}")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"option {name!r}: expected {' or '.join(map(repr, choices))}, got {value!r}")


@dataclass(frozen=True)
class CountOptions:
    """How many images a made data set has in each split."""

    num_train: int = 4000
    num_test: int = 1500

    def __post_init__(self) -> None:
        for name in ("num_train", "num_test"):
            _check_count(name, getattr(self, name), 1)

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return False


@dataclass(frozen=True)
class SyntheticOptions(CountOptions):
    """Of the data sets of digits among clutter, whose images all have object masks."""

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return True


@dataclass(frozen=True)
class FileOptions:
    """What all adapters that read a user's files have in common.

    Attributes:
        root: folder of the data set; a relative one lies under the study's `data`.
        store: "reference" leaves images where they are and writes their absolute paths; "pack" copies their
            encoded bytes into the table.
        verify: "decode" decodes every image once; "exists" only looks for files that are not empty.
        max_unreadable: how many images may be missing or damaged; they are left out and listed.
        num_train, num_test: how many images there must be in each split, those that are left out included;
            None: any number.
    """

    root: str = ""
    store: str = "reference"
    verify: str = "decode"
    max_unreadable: int = 0
    num_train: int | None = None
    num_test: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.root, (str, os.PathLike)) or not str(self.root):
            raise ValueError(f"option 'root': expected the data set's folder, got {self.root!r}")
        _check_choice("store", self.store, ("reference", "pack"))
        _check_choice("verify", self.verify, ("decode", "exists"))
        _check_count("max_unreadable", self.max_unreadable, 0)
        for name in ("num_train", "num_test"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name), 1)

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return False

    def count_of(self, split: str) -> int | None:
        """How many images the split must have; None: any number."""
        return self.num_train if split == "train" else self.num_test

    def must_pack(self, what: str) -> None:
        """ValueError unless the table is to hold the bytes of the images."""
        if self.store != "pack":
            raise ValueError(
                f"{what}: images in it cannot stay where they are; expected option store: pack "
                f"(which copies them into the table), got {self.store!r}"
            )


@dataclass(frozen=True)
class ClassedOptions(FileOptions):
    """`num_classes`: how many classes there must be; None: any number."""

    num_classes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_classes is not None:
            _check_count("num_classes", self.num_classes, 1)

    def check_classes(self, found: int, where: object) -> None:
        """ValueError for another number of classes."""
        if self.num_classes not in (None, found):
            raise ValueError(f"{where}: {found} classes, expected {self.num_classes} (option num_classes)")


@dataclass(frozen=True)
class ImageNetOptions(ClassedOptions):
    """The whole ILSVRC2012 (its validation split is our test split), unless other numbers are given."""

    num_train: int | None = 1_281_167
    num_test: int | None = 50_000
    num_classes: int | None = 1000


@dataclass(frozen=True)
class ImageFolderOptions(ClassedOptions):
    """Names of folders below `root`.

    Attributes:
        train_folder: of the training split.
        test_folder: of the test split; null for the first of test, val, valid and validation.
        masks_folder: of object masks, in folders of the same names as the splits'; null for no masks.
    """

    train_folder: str = "train"
    test_folder: str | None = None
    masks_folder: str | None = None

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return self.masks_folder is not None


@dataclass(frozen=True)
class NABirdsOptions(ClassedOptions):
    """The whole data set, unless other numbers are given."""

    num_train: int | None = 23_929
    num_test: int | None = 24_633
    num_classes: int | None = 555


@dataclass(frozen=True)
class COCOOptions(ClassedOptions):
    """All images with annotations (the validation split is our test split), unless others are given."""

    num_train: int | None = 82_081
    num_test: int | None = 40_137
    num_classes: int | None = 80


@dataclass(frozen=True)
class NUSWideOptions(ClassedOptions):
    """`csv`: name of the file with paths, labels and splits below `root`."""

    csv: str = "nus_wid_data.csv"
    num_classes: int | None = 81


@dataclass(frozen=True)
class HuggingFaceOptions(ClassedOptions):
    """Parquet shards, whose images are packed unless they hold only paths.

    Attributes:
        train_split, test_split: how the shards' names begin; test: null for the first of test, validation,
            valid, val.
        image_column, label_column: names of columns.
    """

    store: str = "pack"
    train_split: str = "train"
    test_split: str | None = None
    image_column: str = "image"
    label_column: str = "label"
