"""Options of the data set adapters, with their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from tokred.validation import Strict

_EXPECTED = "expected number of {}, including those that are left out; null: any"
TrainCount = Annotated[PositiveInt | None, Field(description=_EXPECTED.format("training images"))]
TestCount = Annotated[PositiveInt | None, Field(description=_EXPECTED.format("test images"))]
ClassCount = Annotated[PositiveInt | None, Field(description="expected number of classes; null: any")]


class AdapterOptions(Strict):
    """Options of any adapter."""

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return False


class CountOptions(AdapterOptions):
    """Number of images of a generated data set in each split."""

    num_train: PositiveInt = Field(4000, description="number of training images")
    num_test: PositiveInt = Field(1500, description="number of test images")


class SyntheticOptions(CountOptions):
    """Options of synthetic data sets, all of whose images have object masks."""

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return True


class FileOptions(AdapterOptions):
    """Options of all adapters that read a user's files."""

    root: str = Field(
        min_length=1, description="folder of the data set; a relative one lies under the study's `data`"
    )
    store: Literal["reference", "pack"] = Field(
        "reference",
        description="'reference' leaves images where they are and writes their absolute paths; 'pack' copies "
        "their encoded bytes into the table",
    )
    verify: Literal["decode", "exists"] = Field(
        "decode",
        description="'decode' decodes every image once; 'exists' only looks for files that are not empty",
    )
    max_unreadable: NonNegativeInt = Field(
        0, description="how many images may be missing or damaged; they are left out and listed"
    )
    num_train: TrainCount = None
    num_test: TestCount = None

    def count_of(self, split: str) -> int | None:
        """Expected number of images of the split; None accepts any."""
        return self.num_train if split == "train" else self.num_test

    def must_pack(self, source: str) -> None:
        """Raise ValueError unless the table stores the bytes of the images."""
        if self.store != "pack":
            raise ValueError(
                f"{source}: images in it cannot stay where they are; expected option store: pack "
                f"(which copies them into the table), got {self.store!r}"
            )


class ClassedOptions(FileOptions):
    """Options of adapters for which the classes are known before any image is read."""

    num_classes: ClassCount = None

    def check_classes(self, count: int, source: object) -> None:
        """Raise ValueError for an unexpected number of classes."""
        if self.num_classes not in (None, count):
            raise ValueError(f"{source}: {count} classes, expected {self.num_classes} (option num_classes)")


class ImageNetOptions(ClassedOptions):
    """The whole ILSVRC2012 (its validation split is our test split), unless other numbers are given."""

    num_train: TrainCount = 1_281_167
    num_test: TestCount = 50_000
    num_classes: ClassCount = 1000


class ImageFolderOptions(ClassedOptions):
    """Names of folders below `root`."""

    train_folder: str = Field("train", description="folder of the training split")
    test_folder: str | None = Field(
        None,
        description="folder of the test split; null: the first that exists of test, val, valid, validation",
    )
    masks_folder: str | None = Field(
        None, description="folder of object masks, with the folders of the splits inside; null: no masks"
    )

    @property
    def has_masks(self) -> bool:
        """Whether the images have object masks."""
        return self.masks_folder is not None


class NABirdsOptions(ClassedOptions):
    """The whole data set, unless other numbers are given."""

    num_train: TrainCount = 23_929
    num_test: TestCount = 24_633
    num_classes: ClassCount = 555


class COCOOptions(ClassedOptions):
    """All images with annotations (the validation split is our test split), unless others are given."""

    num_train: TrainCount = 82_081
    num_test: TestCount = 40_137
    num_classes: ClassCount = 80


class NUSWideOptions(ClassedOptions):
    """All images of the file of labels."""

    csv: str = Field(
        "nus_wid_data.csv", description="name of the file with paths, labels and splits below `root`"
    )
    num_classes: ClassCount = 81


class HuggingFaceOptions(ClassedOptions):
    """Parquet shards, whose images are packed unless they hold only paths."""

    store: Literal["reference", "pack"] = Field("pack", description="images in Parquet files must be packed")
    train_split: str = Field("train", description="how names of the training split's shards begin")
    test_split: str | None = Field(
        None,
        description="how names of the test split's shards begin; null: the first of test, validation, valid "
        "and val that exists",
    )
    image_column: str = Field("image", description="column of the encoded images")
    label_column: str = Field("label", description="column of the labels")
