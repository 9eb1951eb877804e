"""What a backbone sees is what torchvision's evaluation transforms give."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from tokred.data.resize import resize_center_crop

BICUBIC = transforms.InterpolationMode.BICUBIC


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    "size", [(32, 32), (300, 200), (200, 301), (97, 97), (64, 640), (33, 32), (500, 333)]
)
@pytest.mark.parametrize("crop_pct", [None, 0.875, 1.0])
def test_frame(size: tuple[int, int], crop_pct: float | None) -> None:
    image = picture(*size)
    steps = [transforms.Resize((32, 32), BICUBIC)]
    if crop_pct is not None:
        steps = [transforms.Resize(int(32 / crop_pct), BICUBIC), transforms.CenterCrop(32)]
    expected = transforms.Compose(steps)(image)
    np.testing.assert_array_equal(np.asarray(resize_center_crop(image, 32, crop_pct)), np.asarray(expected))


def test_a_picture_of_the_input_size_is_framed_like_any_other() -> None:
    """256 and 224: the picture is enlarged by 8 / 7, and its border is cut off."""
    image = picture(224, 224)
    found = np.asarray(resize_center_crop(image, 224, 0.875))
    enlarged = np.asarray(image.resize((256, 256), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(found, enlarged[16:240, 16:240])
    np.testing.assert_array_equal(np.asarray(resize_center_crop(image, 224, None)), np.asarray(image))
