"""Places, backgrounds and ink of the pictures, and the adapters' options."""

from __future__ import annotations

import numpy as np
import pytest

from tokred.data import compose, registry
from tokred.data.options import CountOptions

LUMA = np.array([0.299, 0.587, 0.114])


def test_places_are_spread() -> None:
    rng = np.random.default_rng(0)
    places = np.array([compose.place(rng, []) for _ in range(2000)])
    row, column, side = places.T
    assert (np.bincount(side)[12:] > 2000 / 7 * 0.75).all()
    assert side.min() == 12
    assert side.max() == 18
    for start in (row, column):
        assert start.min() == 0
        assert (start + side).max() == 32
        center = (start + side / 2) / 32
        assert center.mean() == pytest.approx(0.5, abs=0.015)
        assert center.std() > 0.12
    assert abs(np.corrcoef(row, column)[0, 1]) < 0.1  # not along a diagonal
    covered = np.zeros((32, 32))
    for r, c, s in places:
        covered[r : r + s, c : c + s] = 1
    assert covered.all()


def test_places_overlap_by_a_quarter_at_most() -> None:
    rng = np.random.default_rng(1)
    touching = 0
    for _ in range(200):
        taken: list[tuple[int, int, int]] = []
        for _ in range(4):
            where = compose.place(rng, taken)
            if where is not None:
                taken.append(where)
        masks = np.zeros((len(taken), 32, 32), dtype=int)
        for mask, (r, c, s) in zip(masks, taken, strict=True):
            mask[r : r + s, c : c + s] = 1
        for i in range(len(taken)):
            for j in range(i):
                shared = (masks[i] & masks[j]).sum()
                touching += shared > 0
                assert shared <= 0.25 * min(taken[i][2], taken[j][2]) ** 2
    assert touching > 20


def test_no_place_left() -> None:
    assert compose.place(np.random.default_rng(0), [(0, 0, 32)]) is None


@pytest.mark.parametrize("name", ["digits", "scenes"])
def test_most_of_the_picture_is_background(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    before: list[np.ndarray] = []
    background, encode = compose.background, compose.encode

    def spy_background(*given: object) -> np.ndarray:
        picture = background(*given)
        before.append(picture.copy())
        return picture

    def spy_encode(picture: np.ndarray) -> bytes:
        inked = np.abs(picture - before[-1]).max(axis=2) > 25
        shares.append(float(inked.mean()))
        return encode(picture)

    monkeypatch.setattr(compose, "background", spy_background)
    monkeypatch.setattr(compose, "encode", spy_encode)
    _, made = registry.get(name).load()("train", CountOptions(num_train=200))
    assert len(list(made)) == len(shares) == 200
    assert min(shares) > 0.02  # something was drawn everywhere
    assert np.mean(shares) < 0.5
    assert np.mean(np.array(shares) < 0.5) > 0.9


@pytest.mark.parametrize("split", ["train", "test"])
def test_backgrounds_are_dim_and_varied(split: str) -> None:
    made = np.stack([compose.background(compose.generator("x", split, i), split) for i in range(100)])
    assert made.shape == (100, 32, 32, 3)
    assert made.min() >= 0
    assert made.max() <= 128
    assert made.mean(axis=(1, 2)).std() > 10
    assert np.median(np.ptp(made, axis=(1, 2)).max(axis=1)) > 20


def test_digits_are_brighter_than_what_is_under_them() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        picture = compose.background(rng, "train")
        under = picture.copy()
        compose.paste(picture, np.ones((8, 8)), (4, 6, 12), rng)
        place = np.s_[4:16, 6:18]
        # with full ink the whole square has the digit's color
        assert np.ptp(picture[place], axis=(0, 1)).max() < 1e-3
        assert (picture[place] @ LUMA).mean() >= (under[place] @ LUMA).mean() + 89.9
        outside = np.ones((32, 32), dtype=bool)
        outside[place] = False
        np.testing.assert_array_equal(picture[outside], under[outside])


def test_generators_differ() -> None:
    keys = [("a", "train", 0), ("a", "train", 1), ("a", "test", 0), ("b", "train", 0)]
    draws = {int(compose.generator(*key).integers(2**62)) for key in keys}
    assert len(draws) == 4
    assert int(compose.generator("a", "train", 0).integers(2**62)) in draws


@pytest.mark.parametrize("value", [0, -1, 2.5, "three"])
def test_counts_are_checked(value: object) -> None:
    with pytest.raises(ValueError, match=r"options of adapter 'digits': .*\n  num_test: Input should be"):
        registry.get("digits").check_options({"num_test": value})


def test_unknown_option_and_adapter() -> None:
    with pytest.raises(ValueError, match=r"'scenes': .*\n  num_tset: unknown key \(did you mean 'num_test'"):
        registry.get("scenes").check_options({"num_tset": 3})
    with pytest.raises(ValueError, match=r"adapter 'scene' \(did you mean 'scenes'\?\); known: digits"):
        registry.get("scene")
