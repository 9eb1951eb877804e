"""A user's own images: a folder a split, a folder a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import save, stored_bytes, table_of

TRAIN = {
    "Zebra crossing": ["b.jpg", "a b.JPG", "ü.jpeg"],
    "apple": ["x.jpg"],
    "birds": ["1.jpg", "sub/2.jpg"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "my data é"


@pytest.mark.parametrize("store", ["reference", "pack"])
def test_training_split(root: Path, store: str) -> None:
    made = trees.class_folders(root / "train", TRAIN)
    save(root / "train/apple/notes.txt", b"not an image")
    save(root / "train/apple/._x.jpg", b"what macOS leaves behind")
    save(root / "train/.cache/y.jpg", b"")
    table = table_of("image_folder", root, store=store)
    names = ["Zebra crossing", "apple", "birds"]
    assert table.info.classes == tuple(names)
    assert table.image_ids.tolist() == list(made)
    assert table.labels.tolist() == [names.index(name.partition("/")[0]) for name in made]
    assert stored_bytes(table, root) == list(made.values())


@pytest.mark.parametrize("folder", ["test", "val", "valid", "validation"])
def test_test_split_has_the_labels_of_the_training_split(root: Path, folder: str) -> None:
    trees.class_folders(root / "train", TRAIN)
    made = trees.class_folders(root / folder, {"birds": ["9.jpg"], "apple": ["8.jpg"]}, seed=50)
    table = table_of("image_folder", root, "test")
    assert table.image_ids.tolist() == ["apple/8.jpg", "birds/9.jpg"]
    assert table.labels.tolist() == [1, 2]
    assert stored_bytes(table, root) == list(made.values())


def test_folders_can_be_named(root: Path) -> None:
    trees.class_folders(root / "train", TRAIN)
    trees.class_folders(root / "test", {"birds": ["9.jpg"]})
    trees.class_folders(root / "other", {"apple": ["8.jpg", "7.jpg"]})
    options = {"test_folder": "train", "train_folder": "other"}
    with pytest.raises(ValueError, match=r"train: folder 'Zebra crossing' is none of the 1 classes"):
        table_of("image_folder", root, "test", **options)
    assert len(table_of("image_folder", root, **options)) == 2
    assert table_of("image_folder", root, "test").image_ids.tolist() == ["birds/9.jpg"]


def test_without_a_training_split_classes_are_those_of_the_test_split(root: Path) -> None:
    trees.class_folders(root / "val", {"birds": ["9.jpg"], "apple": ["8.jpg"]})
    table = table_of("image_folder", root, "test")
    assert table.info.classes == ("apple", "birds")
    assert table.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"expected train/; found val/"):
        table_of("image_folder", root)


@pytest.mark.parametrize("split", ["train", "test"])
def test_empty_class_folder(root: Path, split: str) -> None:
    trees.class_folders(root / "train", TRAIN)
    trees.class_folders(root / "test", TRAIN)
    (root / split / "apple/x.jpg").rename(root / split / "apple/x.txt")
    with pytest.raises(ValueError, match=rf"{split}/apple: expected images \(.*\), found x\.txt"):
        table_of("image_folder", root, split)


def test_layouts_that_cannot_be(root: Path) -> None:
    with pytest.raises(ValueError, match=r"my data é does not exist"):
        table_of("image_folder", root)
    save(root, b"")
    with pytest.raises(ValueError, match=r"my data é: expected a folder, found a file"):
        table_of("image_folder", root)
    root.unlink()
    root.mkdir()
    with pytest.raises(ValueError, match=r"my data é: expected train/; found nothing"):
        table_of("image_folder", root)
    for number in range(12):
        save(root / "train" / f"{number:02}.jpg", b"")
    with pytest.raises(ValueError, match=r"one folder per class, found 00\.jpg, .*09\.jpg, and 2 more$"):
        table_of("image_folder", root)


def test_no_test_folder(root: Path) -> None:
    trees.class_folders(root / "train", TRAIN)
    with pytest.raises(ValueError, match=r"expected test/ or val/ or valid/ or validation/; found train/"):
        table_of("image_folder", root, "test")
    with pytest.raises(ValueError, match=r"expected holdout/; found train/"):
        table_of("image_folder", root, "test", test_folder="holdout")


def test_unknown_split(root: Path) -> None:
    trees.class_folders(root / "train", TRAIN)
    with pytest.raises(ValueError, match="split 'tset'"):
        table_of("image_folder", root, "tset")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": ""}, "root: expected text of at least 1 characters, found ''"),
        ({}, "root: missing"),
        ({"root": "x", "store": "copy"}, "store: expected 'reference' or 'pack', found 'copy'"),
        ({"root": "x", "verify": False}, "verify: expected 'decode' or 'exists', found False"),
        ({"root": "x", "max_unreadable": -1}, "max_unreadable: expected a number of at least 0, found -1"),
        ({"root": "x", "num_train": 0}, "num_train: expected a number greater than 0, found 0"),
        ({"root": "x", "num_classes": 1.5}, "num_classes: expected an integer, found 1.5"),
        ({"root": "x", "sotre": "pack"}, r"sotre: unknown key \(did you mean 'store'\?\)"),
    ],
)
@pytest.mark.parametrize("adapter", ["imagenet", "nabirds", "coco", "nuswide", "image_folder", "huggingface"])
def test_options_are_checked(adapter: str, options: dict[str, object], message: str) -> None:
    from tokred.data import registry

    with pytest.raises(
        ValueError, match=rf"^options of adapter '{adapter}': invalid configuration\n  {message}"
    ):
        registry.get(adapter).check_options(options)
