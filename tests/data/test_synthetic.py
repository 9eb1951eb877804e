"""Places, polarity, clutter, backgrounds and masks of the synthetic pictures, and the adapters' options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tokred.data import registry, synthetic
from tokred.data.synthetic import PICTURES, SIZE, Box, digit_picture, place_box

LUMA = np.array([0.299, 0.587, 0.114])
NAMES = tuple(PICTURES)
GOLDEN = Path(__file__).parents[1] / "golden/synthetic.npz"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_pictures_are_those_of_the_shipped_weights(name: str, split: str) -> None:
    """A change of these pictures asks for new shipped weights; rounding may differ by one level."""
    stored = np.load(GOLDEN)
    pictures = [PICTURES[name](split, index) for index in range(4)]
    for part in ("pixels", "mask"):
        made = np.stack([getattr(picture, part) for picture in pictures]).astype(int)
        assert np.abs(made - stored[f"{name}_{split}_{part}"]).max() <= 1


def test_places_are_spread() -> None:
    rng = np.random.default_rng(0)
    places = np.array([place_box(rng, (15, 15), []) for _ in range(2000)])
    row, column, height, width = places.T
    assert set(height) == set(width) == {15}
    for start in (row, column):
        # 125 expected at each of 16 places, standard deviation 11
        assert np.bincount(start, minlength=16).min() > 80
        assert (start.min(), start.max()) == (0, SIZE - 15)
    assert abs(np.corrcoef(row, column)[0, 1]) < 0.1  # not along a diagonal


def covered(box: Box) -> NDArray:
    """Which pixels are in a box, row by row."""
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[box[0] : box[0] + box[2], box[1] : box[1] + box[3]] = True
    return mask


def test_places_share_a_line_of_pixels_at_most() -> None:
    rng = np.random.default_rng(1)
    touching = 0
    for _ in range(200):
        taken: list[Box] = []
        for shape in ((15, 15), (6, 11), (11, 6), (7, 9)):
            box = place_box(rng, shape, taken)
            if box is not None:
                assert box[2:] == shape
                for other in taken:
                    shared = covered(box) & covered(other)
                    touching += shared.any()
                    assert min(shared.any(axis=1).sum(), shared.any(axis=0).sum()) <= 1
                taken.append(box)
    assert touching > 20


def test_no_place_left() -> None:
    assert place_box(np.random.default_rng(0), (5, 5), [(0, 0, SIZE, SIZE)]) is None


def test_strokes_of_both_polarities_are_visible() -> None:
    rng = np.random.default_rng(2)
    signs = []
    for _ in range(200):
        picture = synthetic.background(rng, "train")
        under = picture.copy()
        synthetic.stroke(picture[4:16, 6:18], np.ones((12, 12), np.float32), rng)
        inside = covered((4, 6, 12, 12))
        # with full ink the whole square has the stroke's color
        assert np.ptp(picture[inside], axis=0).max() < 1e-3
        difference = (picture[inside] @ LUMA).mean() - (under[inside] @ LUMA).mean()
        assert abs(difference) >= synthetic.CONTRAST - 0.1
        signs.append(difference > 0)
        np.testing.assert_array_equal(picture[~inside], under[~inside])
    assert 75 <= sum(signs) <= 125  # 100 expected, standard deviation 7


def test_faint_ink_lets_the_ground_shine_through() -> None:
    picture = np.full((SIZE, SIZE, 3), 100, np.float32)
    ink = np.linspace(0, 1, SIZE, dtype=np.float32) * np.ones((SIZE, 1), np.float32)
    synthetic.stroke(picture, ink, np.random.default_rng(0))
    np.testing.assert_array_equal(picture[:, 0], 100)
    change = picture - 100
    np.testing.assert_allclose(change, change[:, -1:] * ink[..., None], atol=1e-3)


@pytest.mark.parametrize("split", ["train", "test"])
def test_backgrounds_are_of_medium_brightness_and_varied(split: str) -> None:
    made = np.stack([synthetic.background(synthetic.generator("x", split, i), split) for i in range(100)])
    assert made.shape == (100, SIZE, SIZE, 3)
    means = made.mean(axis=(1, 2, 3))
    assert 90 - 1e-3 <= means.min() < 105
    assert 150 < means.max() <= 165 + 1e-3
    assert np.median(np.ptp(made, axis=(1, 2)).max(axis=1)) > 20


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_the_ink_of_whole_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn without clutter and over one color, a picture changes exactly where its mask is not 0."""
    monkeypatch.setattr(synthetic, "CLUTTER", (0, 0))
    monkeypatch.setattr(synthetic, "SCENE_CLUTTER", (0, 0))
    flat = np.full((SIZE, SIZE, 3), 128, np.float32)
    monkeypatch.setattr(synthetic, "background", lambda *given: flat.copy())
    for index in range(50):
        picture = PICTURES[name]("train", index)
        changed = np.abs(picture.pixels.astype(int) - 128).max(axis=2)
        assert (changed[picture.mask == 0] == 0).all()
        # Not all of it: a stroke may meet the edge of another digit's.
        assert (changed[picture.mask > 127] > 20).mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_clutter_is_there_and_not_in_the_mask(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strokes: list[tuple[NDArray, NDArray]] = []
    stroke = synthetic.stroke

    def spy(under: NDArray, ink: NDArray, rng: np.random.Generator) -> None:
        strokes.append((under, ink))
        stroke(under, ink, rng)

    monkeypatch.setattr(synthetic, "stroke", spy)
    halves = []
    for index in range(100):
        strokes.clear()
        picture = PICTURES[name]("test", index)
        whole = [ink for _, ink in strokes if ink.shape[0] == ink.shape[1]]
        halves.append(len(strokes) - len(whole))
        assert 1 <= len(whole) <= (1 if name == "digits" else 3)
        # The mask has the ink of the whole digits and nothing else; they overlap by a line at most.
        ink = sum(float(one.sum()) for one in whole)
        assert picture.mask.sum() / 255 == pytest.approx(ink, rel=0.05)
    assert set(halves) <= set(range(6 if name == "digits" else 4))
    assert np.mean(halves) > (2.5 if name == "digits" else 1.2)


def test_objects_take_a_tenth_of_the_picture() -> None:
    masks = np.stack([digit_picture("train", index).mask for index in range(300)]) > 127
    assert masks.mean() == pytest.approx(0.105, abs=0.015)
    for axis in (1, 2):  # anywhere, though ink seldom reaches the edge of a scan
        assert masks.any(axis=(0, axis))[2:-2].all()


def test_generators_differ() -> None:
    keys = [("a", "train", 0), ("a", "train", 1), ("a", "test", 0), ("b", "train", 0)]
    draws = {int(synthetic.generator(*key).integers(2**62)) for key in keys}
    assert len(draws) == 4
    assert int(synthetic.generator("a", "train", 0).integers(2**62)) in draws


@pytest.mark.parametrize("value", [0, -1, 2.5, "three"])
def test_counts_are_checked(value: object) -> None:
    with pytest.raises(ValueError, match=r"options of adapter 'digits': .*\n  num_test: expected"):
        registry.get("digits").check_options({"num_test": value})


def test_unknown_option_and_adapter() -> None:
    with pytest.raises(ValueError, match=r"'scenes': .*\n  num_tset: unknown key \(did you mean 'num_test'"):
        registry.get("scenes").check_options({"num_tset": 3})
    with pytest.raises(ValueError, match=r"adapter 'scene' \(did you mean 'scenes'\?\); known: digits"):
        registry.get("scene")
