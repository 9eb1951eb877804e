"""Parquet shards in the layout of Hugging Face data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data import trees
from tests.data.tables import SINGLE, row, written
from tests.data.trees import IMAGE, save, shard, stored_bytes, table_of

NAMES = ["tabby cat", "dog", "größer"]
CLASS_LABEL = {"_type": "ClassLabel", "names": NAMES}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "hub é"


def test_named_classes_in_shards(root: Path) -> None:
    shard(root / "data/train-00001-of-00002.parquet", 10, [2, 0], CLASS_LABEL)
    shard(root / "data/train-00000-of-00002.parquet", 0, [1, 1, 0], CLASS_LABEL)
    shard(root / "data/test-00000-of-00001.parquet", 20, [2], CLASS_LABEL)
    save(root / "README.md", b"")
    train, numbers = table_of("huggingface", root), [0, 1, 2, 10, 11]
    assert (train.info.classes, train.info.task) == (tuple(NAMES), "single")
    assert train.image_ids.tolist() == [f"train-{i:08d}" for i in range(5)]
    assert train.labels.tolist() == [1, 1, 0, 2, 0]
    assert stored_bytes(train, root) == [trees.jpeg(i) for i in numbers]
    test = table_of("huggingface", root, "test")
    assert (test.image_ids.tolist(), test.labels.tolist()) == (["test-00000000"], [2])
    assert stored_bytes(test, root) == [trees.jpeg(20)]


@pytest.mark.parametrize(
    "feature",
    [
        {"_type": "Sequence", "feature": CLASS_LABEL},
        {"_type": "List", "feature": CLASS_LABEL, "length": -1},
        {"_type": "LargeList", "feature": CLASS_LABEL},
        [CLASS_LABEL],
    ],
)
def test_lists_of_named_classes(root: Path, feature: Any) -> None:
    shard(root / "train.parquet", 0, [[2, 0], [], [1]], feature)
    table = table_of("huggingface", root)
    assert (table.info.classes, table.info.task) == (tuple(NAMES), "multi")
    assert table.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ([30, 4, 30], ("4", "30"), [1, 0, 1]),
        ([["x", "c"], [], ["a"]], ("a", "c", "x"), [[0, 1, 1], [0, 0, 0], [1, 0, 0]]),
    ],
)
@pytest.mark.parametrize("feature", [None, {"_type": "Value", "dtype": "string"}])
def test_classes_without_names_are_sorted_values(
    root: Path, labels: list[Any], classes: tuple[str, ...], expected: list[Any], feature: Any
) -> None:
    shard(root / "train.parquet", 0, labels, feature)
    shard(root / "validation.parquet", 5, labels[:1], feature)
    assert table_of("huggingface", root).info.classes == classes
    assert table_of("huggingface", root).labels.tolist() == expected
    assert table_of("huggingface", root, "test").labels.tolist() == expected[:1]


def test_columns_and_splits_can_be_named(root: Path) -> None:
    shard(root / "fold1.parquet", 0, [1, 0], CLASS_LABEL)
    table = pq.read_table(root / "fold1.parquet").rename_columns(["picture", "kind", "extra"])
    pq.write_table(table, root / "fold2.parquet")
    options = {
        "train_split": "fold2",
        "test_split": "fold2",
        "image_column": "picture",
        "label_column": "kind",
    }
    for split in ("train", "test"):
        assert table_of("huggingface", root, split, **options).labels.tolist() == [1, 0]
    with pytest.raises(
        ValueError, match=r"fold1\.parquet: expected a column 'picture', found image, label, ex"
    ):
        table_of("huggingface", root, train_split="fold1", image_column="picture")


def test_our_own_tables_can_be_read(root: Path) -> None:
    root.mkdir()
    written(root / "train.parquet", SINGLE, [row("a", 0, 2), row("b", 1, 0)])
    table = table_of("huggingface", root)
    assert (table.info.classes, table.labels.tolist()) == (SINGLE.classes, [2, 0])


@pytest.mark.parametrize("store", ["pack", "reference"])
def test_images_that_are_paths(root: Path, store: str) -> None:
    save(root / "images/größer 1.jpg", trees.jpeg(1))
    image = pa.array([{"bytes": None, "path": "images/größer 1.jpg"}], IMAGE)
    shard(root / "train.parquet", 0, [1], CLASS_LABEL, image=image)
    table = table_of("huggingface", root, store=store)
    assert stored_bytes(table, root) == [trees.jpeg(1)]


def test_bytes_can_only_be_packed(root: Path) -> None:
    shard(root / "train.parquet", 0, [1], CLASS_LABEL)
    with pytest.raises(ValueError, match=r"hub é: Parquet shards .* expected option store: pack"):
        table_of("huggingface", root, store="reference")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"image": pa.array([b"x", b"y"])},
            "expected a struct of bytes and path in column 'image', found bina",
        ),
        ({"image": pa.array([None, None], IMAGE)}, "image 'train-00000000' has neither bytes nor a path"),
        (
            {"label": pa.array([0, -1])},
            r"train\.parquet, train-00000001: label -1, expected one of the 3 classes",
        ),
        (
            {"label": pa.array([3, 1])},
            r"train\.parquet, train-00000000: label 3, expected one of the 3 classes",
        ),
        ({"label": pa.array([0, None])}, "train-00000001: label None, expected one of the 3 classes"),
    ],
)
def test_shards_that_cannot_be(root: Path, columns: dict[str, pa.Array], message: str) -> None:
    shard(root / "train.parquet", 0, [0, 1], CLASS_LABEL, **columns)
    with pytest.raises(ValueError, match=message):
        table_of("huggingface", root)


def test_labels_of_the_test_split_alone(root: Path) -> None:
    shard(root / "train.parquet", 0, ["a", "b"])
    shard(root / "test.parquet", 0, ["a", "c"])
    with pytest.raises(ValueError, match=r"test\.parquet, test-00000001: label 'c', expected one of the 2"):
        table_of("huggingface", root, "test")


def test_nulls_among_values(root: Path) -> None:
    shard(root / "train.parquet", 0, ["a", None])
    with pytest.raises(ValueError, match="hub é: expected a label for every image, found nulls"):
        table_of("huggingface", root)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_missing_shard(root: Path, lost: int) -> None:
    for number in {0, 1, 2} - {lost}:
        shard(root / f"data/train-{number:05d}-of-00003.parquet", 0, [1], CLASS_LABEL)
    with pytest.raises(ValueError, match=r"hub é: 2 shards of split 'train', expected 3"):
        table_of("huggingface", root)


def test_two_configurations(root: Path) -> None:
    for name in ("small", "large"):
        shard(root / name / "train-00000-of-00001.parquet", 0, [1], CLASS_LABEL)
    with pytest.raises(ValueError, match=r"2 shards of split 'train', expected 1 \(.*another configuration"):
        table_of("huggingface", root)
    assert len(table_of("huggingface", root / "small")) == 1


def test_no_shards(root: Path) -> None:
    save(root / "data/train.arrow", b"")
    with pytest.raises(
        ValueError, match=r"hub é: expected train-00000-of-00001\.parquet below it; found data/"
    ):
        table_of("huggingface", root)


def test_numbers(root: Path) -> None:
    shard(root / "train.parquet", 0, [0, 1], CLASS_LABEL)
    with pytest.raises(ValueError, match="split 'train': 2 images, expected 3"):
        table_of("huggingface", root, num_train=3)
    with pytest.raises(ValueError, match="hub é: 3 classes, expected 2"):
        table_of("huggingface", root, num_classes=2)
