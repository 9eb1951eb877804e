"""Labels, symbols and images in the form that the page has them."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.markers import MarkerStyle
from PIL import Image

from tokred.explorer.looks import color_scale, plain_label, svg_path
from tokred.explorer.pictures import data_uri
from tokred.methods.registry import METHODS


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_labels_are_plain_and_different() -> None:
    labels = [plain_label(method.label) for method in METHODS.values()]
    assert len(set(labels)) == len(METHODS)
    assert not [label for label in labels if re.search(r"[$\\{}_]", label)]
    assert plain_label(METHODS["linf"].label) == "ℓ∞"
    assert plain_label(r"a_b $x_{12}$ \5") == r"a_b x₁₂ \5"


@pytest.mark.parametrize("marker", [*sorted({m.marker for m in METHODS.values()}), "d", "p", "8"])
def test_symbols_are_those_of_the_figures(marker: str) -> None:
    style = MarkerStyle(marker)
    points = style.get_path().transformed(style.get_transform()).vertices
    numbers = np.array(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", svg_path(marker)), dtype=float).reshape(-1, 2)
    assert svg_path(marker).startswith("M")
    assert numbers[:, 0].min() == pytest.approx(points[:, 0].min(), abs=0.01)
    assert -numbers[:, 1].min() == pytest.approx(points[:, 1].max(), abs=0.01)
    assert np.abs(numbers).max() <= 1


def test_scale_becomes_lighter() -> None:
    luma = [int(c[1:3], 16) * 0.3 + int(c[3:5], 16) * 0.59 + int(c[5:], 16) * 0.11 for c in color_scale(16)]
    assert len(luma) == 16
    assert (np.diff(luma) > 0).all()


def test_small_images_are_exact() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    uri = data_uri(Image.fromarray(pixels), (8, 8))
    assert uri.startswith("data:image/png;base64,")
    np.testing.assert_array_equal(np.asarray(decoded(uri)), pixels)


@pytest.mark.parametrize(
    ("size", "grid", "expected"),
    [
        ((224, 224), (14, 14), (224, 224)),
        ((500, 500), (14, 14), (224, 224)),
        ((640, 320), (14, 14), (224, 224)),
        ((300, 900), (4, 8), (224, 112)),
        ((100, 200), (8, 4), (100, 200)),
    ],
)
def test_large_images_have_the_shape_of_the_grid(
    size: tuple[int, int], grid: tuple[int, int], expected: tuple[int, int]
) -> None:
    uri = data_uri(Image.new("RGB", size, (200, 30, 60)), grid)
    image = decoded(uri)
    assert uri.startswith("data:image/jpeg;base64,")
    assert image.size == expected
    assert np.abs(np.asarray(image).astype(int) - (200, 30, 60)).max() <= 4


def test_the_middle_of_an_image_is_what_is_left() -> None:
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:20] = 255
    assert np.asarray(decoded(data_uri(Image.fromarray(pixels), (2, 2)))).min() == 255
