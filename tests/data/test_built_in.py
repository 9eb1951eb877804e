"""The data sets made of scanned digits: deterministic, without leaks between splits, varied."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tokred.data import prepare, registry, synthetic
from tokred.data.image_table import ImageTable
from tokred.data.info import Row
from tokred.data.options import CountOptions

NAMES = ("digits", "scenes")
SPLITS = ("train", "test")


def rows(name: str, split: str, count: int) -> list[Row]:
    _, made = registry.get(name).load()(split, CountOptions(num_train=count, num_test=count))
    return list(made)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", NAMES)
def test_same_bytes_when_made_again(name: str, split: str, tmp_path: Path) -> None:
    assert rows(name, split, 12) == rows(name, split, 12)
    for file in ("first", "second"):
        path = str(tmp_path / f"{file}.parquet")
        prepare.prepare(name, name, split, {"num_train": 12, "num_test": 12}, path)
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "second.parquet").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_first_images_do_not_depend_on_the_count(name: str) -> None:
    _, many = registry.get(name).load()("train", CountOptions(num_train=500))
    assert list(islice(many, 7)) == rows(name, "train", 7)
    assert len({row.data for row in rows(name, "train", 50)}) == 50


@pytest.mark.parametrize("name", NAMES)
def test_splits_differ(name: str) -> None:
    train, test = rows(name, "train", 5), rows(name, "test", 5)
    assert not {row.data for row in train} & {row.data for row in test}
    assert [row.image_id for row in train] == [f"{name}-train-{i:06d}" for i in range(5)]
    assert [row.path for row in test] == [f"{name}-test-{i:06d}.png" for i in range(5)]


def test_splits_share_no_scan_and_use_all() -> None:
    from sklearn.datasets import load_digits

    inks = {split: [ink.tobytes() for ink in synthetic.scans(split).ink] for split in SPLITS}
    assert not set(inks["train"]) & set(inks["test"])
    assert len(inks["train"]) + len(inks["test"]) == 1797
    bunch = load_digits()
    digit = {(ink / 16).tobytes(): label for ink, label in zip(bunch.images, bunch.target, strict=True)}
    assert len(digit) == 1797
    assert {*inks["train"], *inks["test"]} == set(digit)
    for split in SPLITS:
        assert [digit[ink] for ink in inks[split]] == synthetic.scans(split).digit.tolist()
    total = np.bincount(bunch.target)
    np.testing.assert_allclose(np.bincount(synthetic.scans("test").digit) / total, 1 / 3, atol=0.01)


def test_splits_share_no_part_of_a_photograph() -> None:
    from sklearn.datasets import load_sample_image

    for index, name in enumerate(("china.jpg", "flower.jpg")):
        parts = [synthetic.photographs(split)[index] for split in SPLITS]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), load_sample_image(name))
        assert min(parts[1].shape[:2]) >= 48  # the smallest piece that is cut out


@pytest.mark.slow
def test_digits_are_balanced() -> None:
    count = Counter(row.label for row in rows("digits", "train", 600))
    assert sorted(count) == list(range(10))
    # 60 expected of each, standard deviation 7.3
    assert 38 <= min(count.values()) <= max(count.values()) <= 82


def test_scenes_are_balanced_and_hold_one_to_three_digits() -> None:
    labels = [row.label for row in rows("scenes", "train", 400)]
    assert all(label == sorted(set(label)) for label in labels)
    assert {len(label) for label in labels} == {1, 2, 3}
    count = Counter(digit for label in labels for digit in label)
    # about 1.5 digits a picture, as three seldom fit: 58 expected of each class, standard deviation 7
    assert sorted(count) == list(range(10))
    assert 37 <= min(count.values()) <= max(count.values()) <= 79


def test_scene_labels_are_what_was_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[bytes] = []
    stroke = synthetic.stroke

    def spy(under: NDArray, ink: NDArray, rng: np.random.Generator) -> None:
        drawn.append(ink.tobytes())
        stroke(under, ink, rng)

    monkeypatch.setattr(synthetic, "stroke", spy)
    scans = synthetic.scans("test")
    digit: dict[bytes, int] = {}
    for side in range(synthetic.SCENE_DIGIT_SIDES[0], synthetic.SCENE_DIGIT_SIDES[1] + 1):
        for ink, what in zip(scans.ink, scans.digit, strict=True):
            enlarged = Image.fromarray(ink.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
            digit[np.asarray(enlarged).clip(0, 1).tobytes()] = int(what)
    _, made = registry.get("scenes").load()("test", CountOptions(num_test=60))
    expected = np.zeros((60, 10), dtype=np.uint8)
    for index, row in enumerate(made):
        present = {digit[ink] for ink in drawn if ink in digit}
        assert row.label == sorted(present)
        assert 1 <= len(present) <= 3
        expected[index, row.label] = 1
        drawn.clear()
    path = tmp_path / "t.parquet"
    prepare.prepare("scenes", "renamed", "test", {"num_test": 60}, str(path))
    stored = ImageTable(path)
    np.testing.assert_array_equal(stored.labels, expected)
    assert (stored.info.dataset, stored.info.task) == ("renamed", "multi")
    assert stored.info.classes == tuple("0123456789")


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_rgb_of_one_size(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    prepare.prepare(name, name, "train", {"num_train": 20}, str(path))
    images = ImageTable(path).images()
    assert images.shape == (20, 30, 30, 3)
    assert all(np.ptp(image) > 50 for image in images)
