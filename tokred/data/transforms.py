"""Transforms from an image of any size to the input of a backbone, for training and for evaluation.

Interpolation is bicubic. The paper does not state its evaluation transform; its study here uses resize and
center crop (256 and 224) for ImageNet and NABirds, and resize only for COCO and NUS-WIDE, where objects at
the edges have labels too (our choice, after DeiT and the asymmetric loss's authors).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from PIL import Image, ImageDraw
from timm.data.auto_augment import rand_augment_transform
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import RandomResizedCropAndInterpolation
from torch import Tensor
from torchvision import transforms

from tokred.data.resize import resize_center_crop
from tokred.settings import Backbone, ImageAccess, Training

Transform = Callable[[Image.Image], Tensor]
_BICUBIC = transforms.InterpolationMode.BICUBIC


def evaluation(backbone: Backbone, access: ImageAccess, *, normalized: bool = True) -> Transform:
    """The evaluation transform: (3, height, width) from an RGB image.

    Args:
        normalized: whether the result is normalized, as a backbone takes it; otherwise it is in [0, 1].
    """
    crop = partial(resize_center_crop, size=backbone.image_size, crop_pct=access.crop_pct)
    return transforms.Compose([crop, *(_to_input(backbone) if normalized else [transforms.ToTensor()])])


def augmenting(backbone: Backbone, training: Training) -> Transform:
    """The training transform: (3, height, width) normalized, from an RGB image; uses the global generators.

    Raises:
        ValueError: `randaugment` is not in timm's format.
    """
    size = backbone.image_size
    steps: list[Callable[..., Any]] = []
    if training.crop == "random":
        steps.append(RandomResizedCropAndInterpolation(size, interpolation="bicubic"))
    else:
        steps.append(transforms.Resize((size, size), _BICUBIC))
    if training.flip:
        steps.append(transforms.RandomHorizontalFlip(training.flip))
    if training.cutout:
        steps.append(Cutout(training.cutout))
    if training.randaugment is not None:
        steps.append(_randaugment(training.randaugment, backbone))
    steps += _to_input(backbone)
    if training.erasing:
        steps.append(RandomErasing(training.erasing, mode="pixel", device="cpu"))
    return transforms.Compose(steps)


class Cutout:
    """Fill a square around a random point with a random color (DeVries and Taylor 2017).

    Args:
        side: side of the square, as a fraction of the image's. The square is clipped at the edges.
    """

    def __init__(self, side: float) -> None:
        self.side = side

    def __call__(self, image: Image.Image) -> Image.Image:
        painted = image.copy()
        half = [round(self.side * length) / 2 for length in image.size]
        center = [random.random() * length for length in image.size]
        color = tuple(random.randrange(256) for _ in range(3))
        # Pillow's boxes include the lower right corner.
        corners = [round(c - h) for c, h in zip(center, half, strict=True)]
        corners += [round(c + h) - 1 for c, h in zip(center, half, strict=True)]
        ImageDraw.Draw(painted).rectangle(corners, fill=color)
        return painted


def _randaugment(text: str, backbone: Backbone) -> Callable[..., Any]:
    fill = tuple(round(255 * value) for value in backbone.mean)
    hints = {"translate_const": int(backbone.image_size * 0.45), "img_mean": fill}
    hints["interpolation"] = Image.Resampling.BICUBIC
    try:
        transform = rand_augment_transform(text, hints)
    except (AssertionError, ValueError, KeyError) as error:
        raise ValueError(f"randaugment {text!r}: timm cannot read it {error}") from error
    for op in transform.ops:
        if op.name.startswith("Posterize"):
            op.level_fn = partial(_one_bit_at_least, op.level_fn)
    return transform


def _one_bit_at_least(level_of: Callable[..., Any], *arguments: object) -> tuple[int, ...]:
    # At the highest magnitude timm keeps 0 bits, which recent releases of Pillow reject.
    return tuple(max(1, bits) for bits in level_of(*arguments))


def _to_input(backbone: Backbone) -> list[Callable[..., Any]]:
    return [transforms.ToTensor(), transforms.Normalize(backbone.mean, backbone.std)]
