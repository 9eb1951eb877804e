"""NABirds: contiguous labels in the order of class ids as numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import stored_bytes, table_of

SMALL = {"num_train": 4, "num_test": 3, "num_classes": 3}
FILES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    return trees.nabirds(tmp_path / "na birds é")


@pytest.mark.parametrize("store", ["reference", "pack"])
@pytest.mark.parametrize(("split", "flag"), [("train", "1"), ("test", "0")])
def test_table(birds: Path, split: str, flag: str, store: str) -> None:
    table = table_of("nabirds", birds, split, store=store, **SMALL)
    made = [(i, bird) for i, bird in enumerate(trees.BIRDS) if bird[3] == flag]
    # 95 < 817 < 860 as numbers, and two of them have one name
    assert table.info.classes == ("Wood Duck [95]", "Oak Titmouse (Adult male)", "Wood Duck [860]")
    assert (table.info.task, table.info.split) == ("single", split)
    assert table.image_ids.tolist() == [bird[0] for _, bird in made]
    assert table.labels.tolist() == [["95", "817", "860"].index(bird[2]) for _, bird in made]
    assert stored_bytes(table, birds) == [trees.jpeg(i) for i, _ in made]


def test_whole_data_set_is_expected(birds: Path) -> None:
    with pytest.raises(ValueError, match=r"labels\.txt: 3 classes, expected 555 \(option num_classes\)"):
        table_of("nabirds", birds)
    for split, total in (("train", "23,929"), ("test", "24,633")):
        with pytest.raises(ValueError, match=f"split '{split}': . images, expected {total}"):
            table_of("nabirds", birds, split, num_classes=3)


@pytest.mark.parametrize("name", FILES)
def test_missing_file(birds: Path, name: str) -> None:
    (birds / name).unlink()
    with pytest.raises(
        ValueError, match=r"na birds é: expected images\.txt, .*images/; found .*hierarchy\.txt"
    ):
        table_of("nabirds", birds, **SMALL)


@pytest.mark.parametrize("name", FILES[:3])
def test_image_that_is_not_in_all_files(birds: Path, name: str) -> None:
    lines = (birds / name).read_text().splitlines()
    (birds / name).write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(
        ValueError, match=r"\.txt: expected the images of images\.txt, but 1 .* '0008512d-65ca'"
    ):
        table_of("nabirds", birds, **SMALL)


@pytest.mark.parametrize("name", FILES)
def test_id_twice(birds: Path, name: str) -> None:
    lines = (birds / name).read_text().splitlines()
    (birds / name).write_text("\n".join([*lines, lines[2]]) + "\n")
    with pytest.raises(ValueError, match=rf"{name}: '(817|00019306-9d83)' occurs twice"):
        table_of("nabirds", birds, **SMALL)


def test_class_without_a_name(birds: Path) -> None:
    (birds / "classes.txt").write_text("95 Wood Duck\n860 Jay\n")
    with pytest.raises(ValueError, match=r"classes\.txt: class '817' has images, but no name"):
        table_of("nabirds", birds, **SMALL)


def test_class_that_is_no_number(birds: Path) -> None:
    path = birds / "image_class_labels.txt"
    path.write_text(path.read_text().replace(" 860", " jay"))
    with pytest.raises(
        ValueError, match=r"labels\.txt: expected an image id and a number per line, found 'jay'"
    ):
        table_of("nabirds", birds, **SMALL)


def test_class_without_training_images(birds: Path) -> None:
    path = birds / "train_test_split.txt"
    path.write_text(path.read_text().replace("0001afd4-99a1 1", "0001afd4-99a1 0"))
    with pytest.raises(
        ValueError, match=r"0 images of class 'Oak Titmouse \(Adult male\)', expected 1 or more"
    ):
        table_of("nabirds", birds, num_train=3, num_classes=3)


def test_missing_image(birds: Path) -> None:
    (birds / "images/0095/größer.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 images of split 'train' cannot be read.*\n.*0095/größer\.jpg: .*No such"
    ):
        table_of("nabirds", birds, **SMALL)
