"""What no model can learn from is one error when the training split is prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import shard
from tokred.data.image_table import ImageTable
from tokred.data.prepare import prepare

LABEL = {"_type": "ClassLabel", "names": ["cat", "dog", "owl"]}


def prepared(adapter: str, root: Path, split: str = "train", **options: object) -> ImageTable:
    output = root.parent / "out" / f"{split}.parquet"
    prepare(adapter, "pets", split, {"root": str(root), **options}, str(output), for_training=True)
    return ImageTable(output)


def test_one_class(tmp_path: Path) -> None:
    for split in ("train", "test"):
        trees.class_folders(tmp_path / "pets" / split, {"cat": ["1.jpg", "2.jpg"]})
    with pytest.raises(
        ValueError, match="'pets', split 'train': expected two classes or more, found only 'cat'"
    ):
        prepared("image_folder", tmp_path / "pets")
    assert not (tmp_path / "out/train.state.jsonl").exists()  # before any image was decoded
    assert len(prepared("image_folder", tmp_path / "pets", "test")) == 2


def test_a_class_without_images(tmp_path: Path) -> None:
    shard(tmp_path / "hf/train.parquet", 0, [0, 1, 1], LABEL)
    shard(tmp_path / "hf/test.parquet", 3, [0], LABEL)
    with pytest.raises(
        ValueError, match="'train': expected images of each of the 3 classes, found none of 'owl'"
    ):
        prepared("huggingface", tmp_path / "hf")
    assert not (tmp_path / "out/train.parquet").exists()
    assert len(prepared("huggingface", tmp_path / "hf", "test")) == 1


def test_a_class_whose_images_are_all_unreadable(tmp_path: Path) -> None:
    trees.class_folders(tmp_path / "pets/train", {"cat": ["1.jpg"], "dog": ["2.jpg"]})
    (tmp_path / "pets/train/dog/2.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="expected images of each of the 2 classes, found none of 'dog'"):
        prepared("image_folder", tmp_path / "pets", max_unreadable=1)


def test_several_labels_are_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shard(tmp_path / "hf/train.parquet", 0, [[0], [0, 1]], [LABEL])
    assert len(prepared("huggingface", tmp_path / "hf")) == 2
    assert "data set 'pets', split 'train': no image of class owl, which cannot be learned" in caplog.text


def test_made_data_sets_may_be_tiny(tmp_path: Path) -> None:
    output = str(tmp_path / "train.parquet")
    prepare("digits", "digits", "train", {"num_train": 1, "num_test": 1}, output, for_training=True)
    assert len(ImageTable(output)) == 1


@pytest.mark.parametrize("store", ["reference", "pack"])
def test_images_in_memory_are_of_one_size(tmp_path: Path, store: str) -> None:
    trees.class_folders(tmp_path / "pets/train", {"cat": ["1.jpg"], "dog": ["2.jpg"]})
    (tmp_path / "pets/train/dog/2.jpg").write_bytes(trees.jpeg(0, (20, 20)))
    options = {"root": str(tmp_path / "pets"), "store": store}
    with pytest.raises(
        ValueError, match=r"1\.jpg is of 20 x 16 pixels, expected 20 x 20 for `images: {source: m"
    ):
        prepare("image_folder", "pets", "train", options, str(tmp_path / "out.parquet"), size=20)
    (tmp_path / "pets/train/cat/1.jpg").write_bytes(trees.jpeg(1, (20, 20)))
    prepare("image_folder", "pets", "train", options, str(tmp_path / "out.parquet"), size=20)
    assert len(ImageTable(tmp_path / "out.parquet")) == 2
