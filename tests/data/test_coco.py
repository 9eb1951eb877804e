"""COCO: all categories of an image, crowds included; images without annotations are left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import FEW_COCO, stored_bytes, table_of

ANNOTATIONS = "annotations/instances_train2014.json"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return trees.coco(tmp_path / "co co é")


@pytest.mark.parametrize("store", ["reference", "pack"])
@pytest.mark.parametrize(("split", "year"), [("train", "train2014"), ("test", "val2014")])
def test_table(coco: Path, split: str, year: str, store: str) -> None:
    table = table_of("coco", coco, split, store=store, **FEW_COCO)
    assert table.info.classes == ("person", "cat", "toothbrush")
    assert (table.info.task, table.info.split) == ("multi", split)
    assert table.image_ids.tolist() == [f"COCO_{year}_{i:012d}" for i in (1, 8, 15, 29)]
    assert table.labels.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1]]
    files = [coco / year / f"{name}.jpg" for name in table.image_ids]
    assert stored_bytes(table, coco) == [file.read_bytes() for file in files]


def test_whole_data_set_is_expected(coco: Path) -> None:
    with pytest.raises(ValueError, match=r"train2014\.json: 3 classes, expected 80 \(option num_classes\)"):
        table_of("coco", coco)
    for split, total in (("train", "82,081"), ("test", "40,137")):
        with pytest.raises(ValueError, match=f"split '{split}': 4 images, expected {total}"):
            table_of("coco", coco, split, num_classes=3)


def edited(coco: Path, edit: Callable[[dict], object]) -> None:
    stored = trees.coco_annotations("train2014")
    edit(stored)
    (coco / ANNOTATIONS).write_text(json.dumps(stored))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda x: x["annotations"][2].update(category_id=2),
            "annotation 2 has category_id 2, which does not exist",
        ),
        (
            lambda x: x["annotations"][5].update(image_id=2),
            "annotation 5 has image_id 2, which does not",
        ),
        (lambda x: x["images"][1].update(id=1), "5 images, but only 4 image ids"),
        (
            lambda x: x.pop("categories"),
            "expected lists images, annotations, categories; categories is missing",
        ),
        (lambda x: x["images"][1].update(file_name="absent.jpg"), r"train2014/absent\.jpg: .*No such file"),
    ],
)
def test_annotations_that_cannot_be(coco: Path, edit: Callable[[dict], object], message: str) -> None:
    edited(coco, edit)
    with pytest.raises(ValueError, match=message):
        table_of("coco", coco, **FEW_COCO)


def test_a_file_with_two_images(coco: Path) -> None:
    edited(coco, lambda x: x["images"][1].update(file_name=x["images"][0]["file_name"]))
    with pytest.raises(ValueError, match="image id 'COCO_train2014_000000000001' occurs twice"):
        table_of("coco", coco, **FEW_COCO)


def test_annotations_that_were_cut_off(coco: Path) -> None:
    (coco / ANNOTATIONS).write_bytes((coco / ANNOTATIONS).read_bytes()[:200])
    with pytest.raises(ValueError, match=r"instances_train2014\.json: not JSON"):
        table_of("coco", coco, **FEW_COCO)


def test_missing_annotations(coco: Path) -> None:
    (coco / "annotations/instances_val2014.json").unlink()
    with pytest.raises(
        ValueError, match=r"expected .*annotations/instances_val2014\.json, val2014/; found anno"
    ):
        table_of("coco", coco, "test", **FEW_COCO)
