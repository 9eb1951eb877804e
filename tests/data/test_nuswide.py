"""NUS-WIDE from the CSV file of the ASL authors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import stored_bytes, table_of

CLASSES = ("animal", "clouds", "dog's life", "sky")
SMALL = {"num_classes": 4}


@pytest.fixture
def nus(tmp_path: Path) -> Path:
    return trees.nuswide(tmp_path / "nus é")


@pytest.mark.parametrize("store", ["reference", "pack"])
@pytest.mark.parametrize(
    ("split", "places", "labels"),
    [
        ("train", [0, 2, 3], [[0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]]),
        ("test", [1, 4], [[0, 0, 1, 0], [1, 0, 0, 1]]),
    ],
)
def test_table(nus: Path, split: str, places: list[int], labels: list[list[int]], store: str) -> None:
    table = table_of("nuswide", nus, split, store=store, **SMALL)
    assert table.info.classes == CLASSES
    assert table.info.task == "multi"
    assert table.image_ids.tolist() == [trees.NUS[i][0] for i in places]
    assert table.labels.tolist() == labels
    assert stored_bytes(table, nus) == [trees.jpeg(i) for i in places]


def test_numbers(nus: Path) -> None:
    with pytest.raises(ValueError, match=r"nus_wid_data\.csv: 4 classes, expected 81 \(option num_classes\)"):
        table_of("nuswide", nus)
    with pytest.raises(ValueError, match="split 'test': 2 images, expected 3"):
        table_of("nuswide", nus, "test", num_test=3, **SMALL)


@pytest.mark.parametrize(
    ("label", "split", "message"),
    [
        ("['sky'", "train", r"line 3: expected a list of names, found \"\['sky'\""),
        ("sky", "train", "line 3: expected a list of names, found 'sky'"),
        ("[1, 2]", "train", r"line 3: expected a list of names, found '\[1, 2\]'"),
        ("__import__('os').getpid()", "train", "line 3: expected a list of names, found"),
        ("['sky']", "test", "line 3: expected a file and 'train' or 'val', found 'images/2.jpg' and 'test'"),
    ],
)
def test_lines_that_cannot_be(tmp_path: Path, label: str, split: str, message: str) -> None:
    lines = [("images/1.jpg", "['sky']", "train"), ("images/2.jpg", label, split)]
    root = trees.nuswide(tmp_path / "nus", lines)
    with pytest.raises(ValueError, match=rf"nus_wid_data\.csv, {message}"):
        table_of("nuswide", root, num_classes=1)


def test_other_columns(nus: Path) -> None:
    (nus / "nus_wid_data.csv").write_text("file,label,split_name\na,[],train\n")
    with pytest.raises(ValueError, match=r"expected columns filepath, label, split_name; found \['file'"):
        table_of("nuswide", nus, **SMALL)


def test_an_image_twice(tmp_path: Path) -> None:
    root = trees.nuswide(tmp_path / "nus", [trees.NUS[0], trees.NUS[2], trees.NUS[0]])
    with pytest.raises(ValueError, match=r"'mine': image id 'images/0001 a\.jpg' occurs twice"):
        table_of("nuswide", root, num_classes=2)
    assert not (tmp_path / "out/train.parquet").exists()


def test_another_file(nus: Path) -> None:
    (nus / "nus_wid_data.csv").rename(nus / "more data.csv")
    with pytest.raises(ValueError, match=r"nus é: expected nus_wid_data\.csv; found images/, more data\.csv"):
        table_of("nuswide", nus, **SMALL)
    assert len(table_of("nuswide", nus, csv="more data.csv", **SMALL)) == 3
