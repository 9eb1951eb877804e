"""Class names are decided by the training split; the test split is mapped by name, whatever its own order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import save, shard, table_of

ANY = {"num_train": None, "num_test": None, "num_classes": None}
TRAIN = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def coco(root: Path, year: str, categories: list[dict], categories_of_images: list[int]) -> None:
    """One image for each category id."""
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(len(categories_of_images))]
    annotations = [
        {"id": i, "image_id": i, "category_id": category} for i, category in enumerate(categories_of_images)
    ]
    for image in images:
        save(root / year / image["file_name"], trees.jpeg(image["id"]))
    stored = {"images": images, "annotations": annotations, "categories": categories}
    save(root / f"annotations/instances_{year}.json", json.dumps(stored).encode())


@pytest.mark.parametrize(
    "categories",
    [
        [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
        [{"id": 1, "name": "dog"}],
        [{"id": 1, "name": "dog"}, {"id": 7, "name": "horse"}],  # of which there is no image
        [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}, {"id": 0, "name": "bird"}],
    ],
)
def test_coco_numbers_its_test_categories_differently(tmp_path: Path, categories: list[dict]) -> None:
    coco(tmp_path / "c", "train2014", TRAIN, [1, 2])
    coco(tmp_path / "c", "val2014", categories, [1])
    train, test = (table_of("coco", tmp_path / "c", split, **ANY) for split in ("train", "test"))
    assert train.info.classes == test.info.classes == ("cat", "dog")
    assert test.labels.tolist() == [[0, 1]]


def test_coco_category_of_the_test_split_alone(tmp_path: Path) -> None:
    coco(tmp_path / "c", "train2014", TRAIN, [1, 2])
    coco(tmp_path / "c", "val2014", [{"id": 1, "name": "horse"}], [1])
    with pytest.raises(ValueError, match=r"val2014\.json: annotation 0 is of category 'horse', which is"):
        table_of("coco", tmp_path / "c", "test", **ANY)


def named(*names: str) -> dict:
    return {"_type": "ClassLabel", "names": list(names)}


def test_every_shard_is_read_by_its_own_names(tmp_path: Path) -> None:
    root = tmp_path / "hf"
    shard(root / "train-00000-of-00002.parquet", 0, [0, 1], named("cat", "dog"))
    shard(root / "train-00001-of-00002.parquet", 2, [0, 1, 2], named("dog", "bird", "cat"))
    shard(root / "test-00000-of-00002.parquet", 5, [0, 1], named("dog", "cat"))
    shard(root / "test-00001-of-00002.parquet", 7, ["bird", "cat"])
    train, test = (table_of("huggingface", root, split) for split in ("train", "test"))
    assert train.info.classes == test.info.classes == ("cat", "dog", "bird")
    assert train.labels.tolist() == [0, 1, 1, 2, 0]
    assert test.labels.tolist() == [1, 0, 2, 0]


def test_lists_of_classes_are_read_by_their_own_names(tmp_path: Path) -> None:
    root = tmp_path / "hf"
    shard(root / "train.parquet", 0, [[0], [0, 1]], [named("cat", "dog")])
    shard(root / "test.parquet", 2, [[0], []], [named("dog", "cat")])
    assert table_of("huggingface", root, "test").labels.tolist() == [[0, 1], [0, 0]]


def test_numbers_without_names(tmp_path: Path) -> None:
    root = tmp_path / "hf"
    shard(root / "train.parquet", 0, [0, 1], named("cat", "dog"))
    shard(root / "test.parquet", 2, [0])
    with pytest.raises(ValueError, match=r"test\.parquet: column 'label' has numbers and no class names"):
        table_of("huggingface", root, "test")


def test_named_class_of_the_test_split_alone(tmp_path: Path) -> None:
    root = tmp_path / "hf"
    shard(root / "train.parquet", 0, [0, 1], named("cat", "dog"))
    shard(root / "test.parquet", 2, [0, 1], named("dog", "horse"))
    with pytest.raises(ValueError, match=r"test-00000001: label 1, expected one of the 2"):
        table_of("huggingface", root, "test")


def test_names_of_folders_may_be_composed_differently(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    trees.class_folders(root / "train", {"caf\u00e9": ["1.jpg"], "dog": ["1.jpg"]})
    trees.class_folders(root / "test", {"cafe\u0301": ["1.jpg"]})
    test = table_of("image_folder", root, "test")
    assert (test.info.classes, test.labels.tolist()) == (("caf\u00e9", "dog"), [0])


def test_folders_are_classes_by_name(tmp_path: Path) -> None:
    root = tmp_path / "pets"
    trees.class_folders(root / "train", {"cat": ["1.jpg"], "dog": ["1.jpg"], "owl": ["1.jpg"]})
    trees.class_folders(root / "test", {"owl": ["1.jpg"], "dog": ["1.jpg"]})
    test = table_of("image_folder", root, "test")
    assert test.info.classes == ("cat", "dog", "owl")
    assert test.labels.tolist() == [1, 2]
    trees.class_folders(root / "test", {"Dog": ["2.jpg"]})
    with pytest.raises(ValueError, match=r"folder 'Dog' is none of the 3 classes of .*: cat, dog, owl"):
        table_of("image_folder", root, "test")
