"""Corruptions of images against slow definitions, pixel by pixel; their random numbers."""

from __future__ import annotations

import colorsys
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from tokred.data import corruptions
from tokred.data.corruptions import corrupt
from tokred.metrics.chance import image_seeds
from tokred.settings.corruption import CORRUPTIONS, SEVERITIES

KINDS = list(itertools.product(CORRUPTIONS, SEVERITIES))
IDS = [f"image {number}" for number in range(6)]
GRID = (4, 6)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def images() -> torch.Tensor:
    """Oblong images with all values, black and white pixels among them."""
    pixels = torch.rand(len(IDS), 3, 16, 24, generator=torch.Generator().manual_seed(0))
    pixels[0, :, :3, :5], pixels[1, :, 2:4] = 0.0, 1.0
    return pixels


@pytest.mark.parametrize(("name", "severity"), KINDS)
def test_an_image_is_the_same_in_every_batch(name: str, severity: int, images: torch.Tensor) -> None:
    whole = corrupt(images, name, severity, IDS, GRID)
    assert whole.shape == images.shape
    assert whole.dtype == torch.float32
    assert 0 <= whole.min() <= whole.max() <= 1
    assert (whole != images).any()
    for batch in (1, 4):
        parts = [
            corrupt(images[start : start + batch], name, severity, IDS[start : start + batch], GRID)
            for start in range(0, len(IDS), batch)
        ]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)
    backwards = corrupt(images.flip(0), name, severity, IDS[::-1], GRID).flip(0)
    torch.testing.assert_close(backwards, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_changes_more(name: str, images: torch.Tensor) -> None:
    changes = [
        (corrupt(images, name, severity, IDS, GRID) - images).abs().mean(dim=(1, 2, 3))
        for severity in SEVERITIES
    ]
    assert (changes[0] < changes[1]).all()
    assert (changes[1] < changes[2]).all()


def test_noise_is_the_published_one_and_follows_the_size() -> None:
    for side, factor in ((224, 1.0), (56, 0.5)):
        gray = torch.full((1, 3, side, side), 0.5)
        for severity, std in zip(SEVERITIES, (0.08, 0.18, 0.38), strict=True):
            noise = (corrupt(gray, "noise", severity, ["a"], (14, 14)) - gray).flatten()
            inside = noise[noise.abs() < 0.5]
            expected = std * factor
            assert kstest(inside / expected, "norm").statistic < 0.01 + math.erfc(0.5 / expected / 2**0.5)
            assert noise.abs().median() == pytest.approx(0.6745 * expected, rel=0.02)


def test_noise_is_that_of_box_and_muller() -> None:
    seeds = image_seeds(0, ["a", "b"])
    images = torch.full((2, 3, 3, 3), 0.5)
    found = corruptions.add_noise(images, 0.01, seeds)
    for image, seed in zip(found, seeds, strict=True):
        state, values = int(seed), []
        cosines, sines = [], []
        for _ in range(14):
            state = (state + 0x9E3779B97F4A7C15) % 2**64
            mixed = state
            mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
            mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
            mixed ^= mixed >> 31
            first, second = (((mixed >> shift) % 2**23 + 0.5) / 2**23 for shift in (41, 18))
            radius = math.sqrt(-2 * math.log(first))
            cosines.append(radius * math.cos(2 * math.pi * second))
            sines.append(radius * math.sin(2 * math.pi * second))
        values = [*cosines, *sines][:27]
        np.testing.assert_allclose((image.flatten() - 0.5) / 0.01, values, atol=1e-4)


def test_noise_is_scaled_with_the_severity() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5)
    small, large = (corrupt(gray, "noise", severity, ["a"], (2, 2)) - gray for severity in (1, 2))
    torch.testing.assert_close(large / 0.18, small / 0.08, rtol=0, atol=1e-5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_is_scipys(severity: int, images: torch.Tensor) -> None:
    images = torch.nn.functional.interpolate(images, size=(40, 60))
    sigma = (({1: 1, 2: 3, 3: 6}[severity] * 40 / 224) ** 2 + 0.4**2) ** 0.5
    expected = gaussian_filter(images.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4)
    np.testing.assert_allclose(corrupt(images, "blur", severity, IDS, GRID), expected, atol=1e-5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_is_that_of_hsv(severity: int, images: torch.Tensor) -> None:
    found = corrupt(images, "brightness", severity, IDS, GRID).permute(0, 2, 3, 1).reshape(-1, 3)
    amount = {1: 0.1, 2: 0.3, 3: 0.5}[severity]
    for pixel, brighter in zip(images.permute(0, 2, 3, 1).reshape(-1, 3).tolist(), found, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        expected = colorsys.hsv_to_rgb(hue, saturation, min(value + amount, 1.0))
        np.testing.assert_allclose(brighter, expected, atol=1e-5)


def test_occlusion_hides_whole_patches(images: torch.Tensor) -> None:
    hidden = []
    for severity, count in zip(SEVERITIES, (5, 10, 14), strict=True):  # of 24 patches
        found = corrupt(images, "occlusion", severity, IDS, GRID)
        mean = images.mean(dim=(2, 3))
        places = torch.zeros(len(IDS), *GRID, dtype=torch.bool)
        for image, row, column in itertools.product(range(len(IDS)), range(4), range(6)):
            patch = (image, slice(None), slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
            changed = not torch.equal(found[patch], images[patch])
            places[image, row, column] = changed
            if changed:
                torch.testing.assert_close(found[patch], mean[image].view(3, 1, 1).expand(3, 4, 4))
        assert places.sum(dim=(1, 2)).tolist() == [count] * len(IDS)
        hidden.append(places)
    assert (hidden[0] <= hidden[1]).all()
    assert (hidden[1] <= hidden[2]).all()
    assert len({tuple(places.flatten().tolist()) for places in hidden[0]}) == len(IDS)


def test_every_patch_is_occluded_equally_often() -> None:
    count = 4000
    images, seeds = (
        torch.arange(4.0).view(1, 1, 2, 2).repeat(count, 3, 1, 1),
        image_seeds(0, map(str, range(count))),
    )
    changed = (corruptions.occlude(images, 0.5, seeds, (2, 2)) != images).float().mean(dim=(0, 1)).flatten()
    assert (changed - 0.5).abs().max() < 4.5 * 0.5 / math.sqrt(count)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "nois"}, r"unknown corruption 'nois' \(did you mean 'noise'\?\); known: noise, blur, "),
        ({"severity": 4}, "corruption 'noise': expected a severity of 1, 2 or 3, found 4"),
        ({"image_ids": ["a"]}, "corruption 'noise': found 1 image ids for 6 images"),
        (
            {"name": "occlusion", "grid": (5, 6)},
            "corruption 'occlusion': images of 16 x 24 pixels have no grid of 5 x 6 equal patches",
        ),
    ],
)
def test_wrong_arguments(changes: dict, message: str, images: torch.Tensor) -> None:
    given = {"name": "noise", "severity": 1, "image_ids": IDS, "grid": GRID}
    with pytest.raises(ValueError, match=message):
        corrupt(images, **{**given, **changes})


def test_the_documentation_states_the_strengths() -> None:
    text = (ROOT / "docs/studies.md").read_text()
    shown = {"noise": (1, ""), "blur": (1, ""), "brightness": (1, ""), "occlusion": (100, " %")}
    for name, (factor, unit) in shown.items():
        strengths = " | ".join(f"{factor * value:g}{unit}" for value in CORRUPTIONS[name].strengths)
        assert f"| `{name}` | {strengths} |" in text
