"""Object masks: read, checked, stored with their images, and seen by tokens."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.data import trees
from tests.data.tables import SINGLE, row, written
from tokred.data import prepare, synthetic, writing
from tokred.data.image_table import ImageTable
from tokred.data.masks import COVERED, read_mask, token_mask, token_masks
from tokred.data.registry import ADAPTERS

SIZE = (20, 16)


def encoded(pixels: NDArray, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(buffer, "PNG")
    return buffer.getvalue()


def disc(size: tuple[int, int] = SIZE, white: int = 255) -> NDArray:
    """(height, width) uint8 mask with soft edges."""
    y, x = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(y - 0.4 * size[0], x - 0.6 * size[1])
    return (white * (0.3 * min(size) - distance + 0.5).clip(0, 1)).astype(np.uint8)


def masked_folder(root: Path) -> dict[str, NDArray]:
    """An image folder with a mask of every test image, in a folder `masks`; the masks by image id."""
    trees.class_folders(root / "train", {"cat": ["1.jpg"], "dog": ["2.jpg"]})
    trees.class_folders(root / "val", {"cat": ["3.jpg", "sub/4.jpg"], "dog": ["5.JPG"]}, seed=9)
    made = {}
    for index, name in enumerate(("cat/3.jpg", "cat/sub/4.jpg", "dog/5.JPG")):
        made[name] = np.roll(disc(), index, axis=0)
        trees.save(root / "masks/val" / Path(name).with_suffix(".png"), encoded(made[name]))
    return made


def prepared(root: Path, split: str = "test", **options: object) -> Path:
    output = root.parent / "out" / f"{split}.parquet"
    given = {"root": str(root), "masks_folder": "masks", **options}
    prepare.prepare("image_folder", "pets", split, given, str(output), threads=2, for_training=True)
    return output


def stored_masks(path: Path) -> list[NDArray | None]:
    found = pq.read_table(path)["mask"].to_pylist()
    return [None if one is None else np.asarray(Image.open(io.BytesIO(one["bytes"]))) for one in found]


@pytest.mark.parametrize("store", ["reference", "pack"])
@pytest.mark.parametrize("verify", ["decode", "exists"])
def test_masks_of_an_image_folder(
    store: str, verify: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = masked_folder(tmp_path / "pets")
    with caplog.at_level(logging.INFO):
        path = prepared(tmp_path / "pets", store=store, verify=verify)
    assert "data set 'pets', split 'test': 3 of 3 images have an object mask" in caplog.text
    assert ImageTable(path).image_ids.tolist() == list(made)
    for stored, expected in zip(stored_masks(path), made.values(), strict=True):
        np.testing.assert_array_equal(stored, expected)
    np.testing.assert_array_equal(
        token_masks(path, (2, 2), 16, None),
        [token_mask(Image.fromarray(mask), (2, 2), 16, None) for mask in made.values()],
    )


def test_images_may_lack_masks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = masked_folder(tmp_path / "pets")
    (tmp_path / "pets/masks/val/cat/sub/4.png").unlink()
    with caplog.at_level(logging.INFO):
        path = prepared(tmp_path / "pets")
    assert "2 of 3 images have an object mask" in caplog.text
    assert stored_masks(path)[1] is None
    found = token_masks(path, (4, 4), 16, None)
    assert found.any(axis=1).tolist() == [True, False, True]
    train = prepared(tmp_path / "pets", "train")  # without a folder of masks
    assert stored_masks(train) == [None, None]
    for file in (tmp_path / "pets/masks").rglob("*.png"):
        file.unlink()
    with pytest.raises(ValueError, match="'pets', split 'test': expected object masks, found none of 3 ima"):
        prepared(tmp_path / "pets")
    assert len(made) == 3


def test_every_mask_has_one_image(tmp_path: Path) -> None:
    masked_folder(tmp_path / "pets")
    stray = trees.save(tmp_path / "pets/masks/val/dog/6.png", encoded(disc()))
    with pytest.raises(ValueError, match=r"masks/val/dog/6\.png: a mask without an image \(of 1 such\); exp"):
        prepared(tmp_path / "pets")
    stray.unlink()
    trees.class_folders(tmp_path / "pets/val", {"cat": ["3.jpeg"]}, seed=20)
    with pytest.raises(
        ValueError, match=r"masks/val/cat/3\.png: is the mask of both cat/3\.jpeg and cat/3\.jpg; rename one"
    ):
        prepared(tmp_path / "pets")


def test_no_folder_of_masks(tmp_path: Path) -> None:
    masked_folder(tmp_path / "pets")
    with pytest.raises(ValueError, match=r"data set folder .*pets: expected mask/val/; found masks/, train/"):
        prepared(tmp_path / "pets", masks_folder="mask")


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (encoded(disc((20, 17))), "is of 20 x 17 pixels, expected the image's 20 x 16"),
        (encoded(disc())[:60], "cannot be decoded: "),
        (b"", "cannot be decoded: "),
        (encoded(disc(white=3)), "has no gray level above 3 of 255: expected an object mask, black for"),
        (encoded(disc(), "LA"), "has an alpha channel: expected an object mask of gray levels alone"),
    ],
)
@pytest.mark.parametrize("verify", ["decode", "exists"])
def test_wrong_masks_are_refused(mask: bytes, message: str, verify: str, tmp_path: Path) -> None:
    masked_folder(tmp_path / "pets")
    file = trees.save(tmp_path / "pets/masks/val/dog/5.png", mask)
    with pytest.raises(ValueError, match=rf"{file}, the mask of .*pets/val/dog/5\.JPG, {message}"):
        prepared(tmp_path / "pets", verify=verify)
    assert not (tmp_path / "out/test.parquet").exists()


def test_generated_masks_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = synthetic.png(np.zeros((29, 30), np.uint8))
    monkeypatch.setattr(synthetic, "png", lambda p: encoded(p) if p.ndim == 3 else small)
    with pytest.raises(ValueError, match=r"the mask of digits-test-000000\.png is of 29 x 30 pixels, expec"):
        prepare.prepare("digits", "digits", "test", {"num_test": 2}, str(tmp_path / "t.parquet"))


@pytest.mark.parametrize("name", ["digits", "scenes"])
def test_masks_of_built_in_data(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    prepare.prepare(name, "renamed", "test", {"num_test": 9}, str(path))
    pictures = [synthetic.PICTURES[name]("test", index) for index in range(9)]
    expected = np.stack([picture.mask for picture in pictures])
    np.testing.assert_array_equal(np.stack(stored_masks(path)), expected)
    # The trial of the task: mean ink of a patch of 3 x 3 pixels.
    ink = expected.reshape(9, 10, 3, 10, 3).mean(axis=(2, 4)).reshape(9, 100) / 255
    np.testing.assert_array_equal(token_masks(path, (10, 10), 30, None), ink > 0.12)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_modes_of_masks(mode: str) -> None:
    mask = disc() if mode != "1" else np.where(disc() > 127, 255, 0).astype(np.uint8)
    found = np.asarray(read_mask(encoded(mask, mode)))
    assert found.shape == SIZE
    np.testing.assert_allclose(found, mask, atol=1)
    assert not np.asarray(read_mask(encoded(np.zeros(SIZE, np.uint8), mode))).any()  # nothing is shown


def test_deep_masks_are_scaled() -> None:
    deep = encoded(disc().astype(np.uint16) * 257)
    np.testing.assert_array_equal(np.asarray(read_mask(deep)), disc())


@pytest.mark.parametrize(("size", "crop_pct"), [(24, None), (24, 0.75), (32, 0.875), (20, 1.0)])
@pytest.mark.parametrize("shape", [(20, 20), (60, 40), (40, 70)])
@pytest.mark.parametrize("grid", [(4, 4), (4, 2), (1, 4)])
def test_token_masks_are_as_in_a_slow_loop(
    shape: tuple[int, int], size: int, crop_pct: float | None, grid: tuple[int, int]
) -> None:
    mask = Image.fromarray(disc(shape))
    height, width = shape
    if crop_pct is None:
        seen = mask.resize((size, size), Image.Resampling.BICUBIC)
    else:
        shorter = int(size / crop_pct)
        scaled = (int(shorter * width / min(shape)), int(shorter * height / min(shape)))
        left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
        seen = mask.resize(scaled, Image.Resampling.BICUBIC).crop((left, top, left + size, top + size))
    expected = []
    for i in range(grid[0]):
        for j in range(grid[1]):
            total, high, wide = 0, size // grid[0], size // grid[1]
            for y in range(i * high, (i + 1) * high):
                for x in range(j * wide, (j + 1) * wide):
                    total += seen.getpixel((x, y))
            expected.append(total / (255 * high * wide) > COVERED)
    assert token_mask(mask, grid, size, crop_pct).tolist() == expected
    assert sum(expected) > 0


def test_tables_without_masks_stay_as_they_were(tmp_path: Path) -> None:
    """The same columns and metadata, so that nothing is made again because of masks."""
    written(tmp_path / "plain.parquet", SINGLE, [row("a", 0, 0)])
    stored = pq.read_table(tmp_path / "plain.parquet")
    assert stored.column_names == ["image_id", "image", "label"]
    assert b"mask" not in b"".join(stored.schema.metadata.values())
    trees.class_folders(tmp_path / "pets/train", {"cat": ["1.jpg"], "dog": ["2.jpg"]})
    output = tmp_path / "train.parquet"
    prepare.prepare("image_folder", "pets", "train", {"root": str(tmp_path / "pets")}, str(output))
    assert pq.read_table(output).column_names == ["image_id", "image", "label"]
    with pytest.raises(ValueError, match=r"train\.parquet: has columns .*, expected mask among them"):
        token_masks(output, (2, 2), 16, None)


def test_damaged_mask_in_a_table(tmp_path: Path) -> None:
    rows = [row("a", 0, 0), row("b", 1, 1)]
    object.__setattr__(rows[1], "mask", b"nothing")
    writing.write(tmp_path / "t.parquet", SINGLE, rows, masks=True)
    assert len(ImageTable(tmp_path / "t.parquet").images()) == 2
    with pytest.raises(ValueError, match=r"t\.parquet: mask of image 'b' cannot be decoded: "):
        token_masks(tmp_path / "t.parquet", (1, 1), 4, None)


def test_masks_are_known_before_any_job() -> None:
    found = {
        name: adapter.check_options({"root": "x"} if adapter.size is None else {}).has_masks
        for name, adapter in ADAPTERS.items()
    }
    assert {name for name, masks in found.items() if masks} == {"digits", "scenes"}
    assert ADAPTERS["image_folder"].check_options({"root": "x", "masks_folder": "masks"}).has_masks
