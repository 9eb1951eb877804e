"""ImageNet as folders and as the original archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data import trees
from tests.data.trees import WNIDS, save, stored_bytes, table_of
from tokred.data import registry
from tokred.data.adapters import imagenet
from tokred.data.image_table import ImageTable

SMALL = {"num_train": 9, "num_test": 6, "num_classes": 3}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return trees.imagenet_folders(tmp_path / "image net é")


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    return trees.imagenet_archives(tmp_path / "archives é")


def check(table: ImageTable, root: Path, split: str) -> None:
    """The table is what the tree was made of."""
    if split == "train":
        made = [
            (name, label, data)
            for label, images in enumerate(trees.imagenet_images().values())
            for name, data in images.items()
        ]
    else:
        made = [(name, WNIDS.index(wnid), data) for name, wnid, data in trees.imagenet_val()]
    order = np.argsort(table.image_ids)
    made.sort()
    assert table.info.dataset == "mine"
    assert (table.info.split, table.info.task, table.info.classes) == (split, "single", WNIDS)
    assert table.image_ids[order].tolist() == [name.removesuffix(".JPEG") for name, _, _ in made]
    assert table.labels[order].tolist() == [label for _, label, _ in made]
    stored = stored_bytes(table, root)
    assert [stored[index] for index in order] == [data for _, _, data in made]


@pytest.mark.parametrize("store", ["reference", "pack"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_folders(folders: Path, split: str, store: str) -> None:
    table = table_of("imagenet", folders, split, store=store, **SMALL)
    check(table, folders, split)
    file = folders / {"train": "train", "test": "val"}[split] / WNIDS[0] / f"{table.image_ids[0]}.JPEG"
    with Image.open(file) as first:
        np.testing.assert_array_equal(np.asarray(table.image(0)), np.asarray(first))


@pytest.mark.parametrize("split", ["train", "test"])
def test_archives(archives: Path, split: str) -> None:
    check(table_of("imagenet", archives, split, store="pack", **SMALL), archives, split)


def test_folders_and_archives_give_the_same_table(folders: Path, archives: Path) -> None:
    for split in ("train", "test"):
        rows = []
        for root in (folders, archives):
            made = table_of("imagenet", root, split, store="pack", **SMALL)
            rows.append(sorted(zip(made.image_ids, made.labels, stored_bytes(made, root), strict=True)))
        assert rows[0] == rows[1]


@pytest.mark.parametrize("split", ["train", "test"])
def test_archives_can_only_be_packed(archives: Path, split: str) -> None:
    with pytest.raises(ValueError, match=r"ILSVRC2012_img_\w+\.tar: images in it cannot stay .* store: pack"):
        table_of("imagenet", archives, split, **SMALL)


def test_whole_data_set_is_expected(folders: Path) -> None:
    options = registry.get("imagenet").check_options({"root": str(folders)})
    assert (options.num_train, options.num_test, options.num_classes) == (1_281_167, 50_000, 1000)
    with pytest.raises(ValueError, match=r"image net é: 3 classes, expected 1000 \(option num_classes\)"):
        table_of("imagenet", folders)
    with pytest.raises(
        ValueError, match=r"'mine', split 'train': 9 images, expected 1,281,167 \(option num_"
    ):
        table_of("imagenet", folders, num_classes=3)


def test_whole_data_set_has_known_numbers_a_class(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "_WHOLE", {"train": 9, "test": 6})
    monkeypatch.setattr(imagenet, "_PER_CLASS", {"train": (3, 3), "test": (2, 2)})
    check(table_of("imagenet", folders, **SMALL), folders, "train")
    (folders / "train" / WNIDS[1] / f"{WNIDS[1]}_0.JPEG").rename(folders / "train" / WNIDS[2] / "moved.JPEG")
    with pytest.raises(ValueError, match=r"2 images of class 'n01443537', expected 3$"):
        table_of("imagenet", folders, **SMALL)


def test_empty_class_folder(folders: Path) -> None:
    for path in (folders / "val" / WNIDS[2]).iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=rf"val/{WNIDS[2]}: expected images \(.*found nothing"):
        table_of("imagenet", folders, "test", **SMALL)


def test_other_folders_are_refused(folders: Path) -> None:
    save(folders / "train" / "cats" / "a.JPEG", b"")
    with pytest.raises(ValueError, match=r"train: expected folders with WordNet ids .* found 'cats'"):
        table_of("imagenet", folders, **SMALL)


def test_splits_with_other_classes(folders: Path) -> None:
    (folders / "val" / WNIDS[0]).rename(folders / "val" / "n99999999")
    with pytest.raises(
        ValueError, match=r"same classes in both splits, but 2 are in one only, such as 'n01440764'"
    ):
        table_of("imagenet", folders, "train", **SMALL)


def test_unsorted_validation_images(folders: Path) -> None:
    for path in sorted((folders / "val").glob("*/*.JPEG")):
        path.rename(folders / "val" / path.name)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    with pytest.raises(
        ValueError, match=r"val: expected one folder per class, found ILSVRC2012_val_00000001.JPEG"
    ):
        table_of("imagenet", folders, "test", **SMALL)


def test_nothing_there(tmp_path: Path) -> None:
    save(tmp_path / "data" / "readme.txt", b"hello")
    with pytest.raises(ValueError, match=r"data/img does not exist; .*data has readme\.txt"):
        table_of("imagenet", tmp_path / "data" / "img")
    with pytest.raises(
        ValueError,
        match=r"data: expected train/<wnid>/\*\.JPEG or ILSVRC2012_img_train\.tar; found readme\.txt",
    ):
        table_of("imagenet", tmp_path / "data")


def test_missing_development_kit(archives: Path) -> None:
    (archives / "ILSVRC2012_devkit_t12.tar.gz").unlink()
    with pytest.raises(
        ValueError, match=r"expected ILSVRC2012_devkit_t12\.tar\.gz; found ILSVRC2012_img_train"
    ):
        table_of("imagenet", archives, "test", store="pack", **SMALL)


def test_too_short_ground_truth(tmp_path: Path) -> None:
    root = trees.imagenet_archives(tmp_path / "archives", truth=[1, 2, 3, 1, 2])
    with pytest.raises(
        ValueError, match=r"val_00000006.JPEG', expected .*val_00000005.JPEG, since .* 5 lines"
    ):
        table_of("imagenet", root, "test", store="pack", **SMALL)


def test_unknown_class_in_the_ground_truth(tmp_path: Path) -> None:
    root = trees.imagenet_archives(tmp_path / "archives", truth=[1, 2, 3, 1, 2, 4])
    with pytest.raises(ValueError, match=r"devkit_t12\.tar\.gz: .*ground_truth\.txt names class 4"):
        table_of("imagenet", root, "test", store="pack", **SMALL)


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_archive_that_was_cut_off(archives: Path, part: float) -> None:
    path = archives / "ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(
        ValueError, match=r"ILSVRC2012_img_train\.tar: damaged archive|2 classes, expected 3|1 cl"
    ):
        table_of("imagenet", archives, store="pack", **SMALL)
    assert not (archives.parent / "out/train.parquet").exists()


def test_broken_image_in_an_archive(archives: Path) -> None:
    images = trees.imagenet_images()
    images[WNIDS[1]][f"{WNIDS[1]}_1.JPEG"] = trees.jpeg(5)[:-200]
    inner = {f"{wnid}.tar": trees.tar(files) for wnid, files in images.items()}
    save(archives / "ILSVRC2012_img_train.tar", trees.tar(inner))
    with pytest.raises(ValueError, match=rf"{WNIDS[1]}_1\.JPEG: cannot be decoded: image file is truncated"):
        table_of("imagenet", archives, store="pack", **SMALL)
    table = table_of("imagenet", archives, store="pack", max_unreadable=1, **SMALL)
    assert len(table) == 8
    assert f"{WNIDS[1]}_1" not in table.image_ids
