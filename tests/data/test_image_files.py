"""Folders of images as they are: which images and labels, what cannot be read, and pixels as timm's."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from tests.cli.pictures import MODEL, write_classes, write_flat, write_picture
from tests.data import trees
from tokred.data.image_files import ImageReader, Preprocessing, list_images


def test_images_without_labels(tmp_path: Path) -> None:
    write_flat(tmp_path, 3)
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "empty").mkdir()
    files = list_images(tmp_path)
    assert [Path(path).name for path in files.paths] == ["0.png", "1.png", "2.png"]
    assert (files.classes, files.labels) == ((), ())


def test_classes(tmp_path: Path) -> None:
    files = list_images(write_classes(tmp_path, ("b", "a"), each=2))
    assert files.classes == ("a", "b")
    assert files.labels == (0, 0, 1, 1)
    assert list_images(tmp_path, ["b", "a", "c"]).labels == (1, 1, 0, 0)


@pytest.mark.parametrize("place", ["val", "."])
def test_imagenets_validation_images_as_they_come(tmp_path: Path, place: str) -> None:
    """All in one folder, with the development kit in it or beside it."""
    expected = {name: wnid for name, wnid, _ in trees.imagenet_val()}
    for name, _, data in trees.imagenet_val():
        trees.save(tmp_path / "val" / name, data)
    assert list_images(tmp_path / "val").classes == ()
    assert list_images(tmp_path / "val").hint.endswith("if ILSVRC2012_devkit_t12.tar.gz is beside them.")
    trees.imagenet_archives(tmp_path / "kit")
    (tmp_path / "kit/ILSVRC2012_devkit_t12.tar.gz").rename(tmp_path / place / "ILSVRC2012_devkit_t12.tar.gz")
    files = list_images(tmp_path / "val")
    assert files.classes == tuple(sorted(trees.WNIDS))
    assert files.hint == ""
    found = zip(files.paths, files.labels, strict=True)
    assert {Path(path).name: files.classes[label] for path, label in found} == expected
    trees.save(tmp_path / "val/ILSVRC2012_val_00050000.JPEG", data)
    with pytest.raises(
        ValueError, match=r"val: image 'ILSVRC2012_val_00050000.JPEG', expected ILSVRC2012_val"
    ):
        list_images(tmp_path / "val")
    (tmp_path / "val/ILSVRC2012_val_00050000.JPEG").rename(tmp_path / "val/other.jpg")
    others = list_images(tmp_path / "val")
    assert (others.labels, others.hint) == ((), "")


def test_a_limit_takes_images_of_all_classes(tmp_path: Path) -> None:
    files = list_images(write_classes(tmp_path, each=4))
    assert files.limited(3).labels == (0, 1, 2)
    assert len(files.limited(3)) == 3
    assert files.limited(99) is files
    assert files.limited(None) is files


def test_other_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder; expected images, or one folder per class"):
        list_images(tmp_path / "none")
    with pytest.raises(
        ValueError, match=r"expected images \(.jpg .*\) or one folder per class, found nothing"
    ):
        list_images(tmp_path)
    write_flat(tmp_path, 1)
    with pytest.raises(ValueError, match="is a file, expected a folder"):
        list_images(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"expected one folder per class, found 0\.png"):
        list_images(tmp_path, ["a"])
    write_picture(tmp_path / "a/0.png", 0, 0)
    with pytest.raises(ValueError, match=r"expected images, or one folder per class, found both: 0\.png, a/"):
        list_images(tmp_path)
    with pytest.raises(ValueError, match="folder 'red' is none of the 1 classes"):
        list_images(write_classes(tmp_path / "other", ("red",)), ["green"])


def pixels(image: Image.Image) -> torch.Tensor:
    """The color of the upper left corner."""
    return torch.tensor(image.getpixel((0, 0)), dtype=torch.uint8).view(3, 1, 1)


def test_every_image_once_and_in_order(tmp_path: Path) -> None:
    reader = ImageReader(list_images(write_classes(tmp_path, each=3)), pixels, workers=3)
    batches = list(reader.batches(4))
    assert [batch.index for batch in batches] == [(0, 1, 2, 3), (4, 5, 6, 7), (8,)]
    colors = torch.cat([batch.pixels for batch in batches]).flatten(1).argmax(1)
    assert colors.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert reader.unreadable == []


def test_where_models_run_on_the_same_processors_nothing_is_decoded_meanwhile(tmp_path: Path) -> None:
    decoded = []

    def pixels(image: Image.Image) -> torch.Tensor:
        decoded.append(image.size)
        return torch.zeros(3, 2, 2, dtype=torch.uint8)

    write_flat(tmp_path, 5)
    reader = ImageReader(list_images(tmp_path), pixels, workers=1, ahead=False)
    assert [(len(batch.pixels), len(decoded)) for batch in reader.batches(2)] == [(2, 2), (2, 4), (1, 5)]


def test_unreadable_images(tmp_path: Path) -> None:
    write_flat(tmp_path, 12)
    for name in ("3.png", "7.png"):
        (tmp_path / name).write_bytes(b"no image")
    files = list_images(tmp_path)
    reader = ImageReader(files, pixels, workers=2)
    with pytest.raises(
        ValueError, match=r"2 of 12 images cannot be read: \S+3.png, \S+7.png \(cannot be dec"
    ):
        list(reader.batches(2))
    reader = ImageReader(files, pixels, workers=2, skip_unreadable=True)
    index = [i for batch in reader.batches(4) for i in batch.index]
    assert [Path(files.paths[i]).stem for i in index] == ["0", "1", "10", "11", "2", "4", "5", "6", "8", "9"]
    assert [Path(path).name for path, _ in reader.unreadable] == ["3.png", "7.png"]


def test_no_readable_image(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.jpg").write_bytes(b"")
    reader = ImageReader(list_images(tmp_path), pixels, workers=1, skip_unreadable=True)
    with pytest.raises(ValueError, match=r"7 of 7 images cannot be read: .* and 2 more"):
        list(reader.batches(4))


@pytest.mark.parametrize("crop_pct", [None, 0.8])
def test_input_is_that_of_timm(crop_pct: float | None, tmp_path: Path) -> None:
    vit = timm.create_model(MODEL, img_size=64)
    write_picture(tmp_path / "a.png", 1, 0)
    image = Image.open(tmp_path / "a.png")
    found = Preprocessing.of(vit, crop_pct)
    config = resolve_data_config({"input_size": (3, 64, 64)}, model=vit)
    config["crop_pct"] = crop_pct or config["crop_pct"]
    expected = create_transform(**config, is_training=False)(image)
    ours = found.normalize(found.pixels()(image).unsqueeze(0), torch.device("cpu"))[0]
    torch.testing.assert_close(ours, expected)
    assert ours.shape == (3, 64, 64)
