"""From a picture of any size to the input of a backbone: augmented to learn from, or plain to evaluate.

Bicubic everywhere. The paper gives no evaluation transform; the study of the paper takes the central square
(256 and 224) for ImageNet and NABirds, and a plain resize for COCO and NUS-WIDE, where objects at the edges
count (our choice, after DeiT and the asymmetric loss's authors).
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

from tokred.data.framing import frame
from tokred.settings import Backbone, ImageAccess, Training

Transform = Callable[[Image.Image], Tensor]
_BICUBIC = transforms.InterpolationMode.BICUBIC


def evaluation(backbone: Backbone, access: ImageAccess) -> Transform:
    """(3, height, width) normalised, from an RGB picture; nothing is random."""
    framed = partial(frame, size=backbone.image_size, crop_pct=access.crop_pct)
    return transforms.Compose([framed, *_to_input(backbone)])


def augmenting(backbone: Backbone, training: Training) -> Transform:
    """(3, height, width) normalised, from an RGB picture; draws from the global generators.

    Raises:
        ValueError: timm cannot read `randaugment`.
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
    """Paint a square of a random colour around a random point (DeVries and Taylor 2017).

    Args:
        side: of the square, part of the image's; it is cut off at the edges.
    """

    def __init__(self, side: float) -> None:
        self.side = side

    def __call__(self, image: Image.Image) -> Image.Image:
        painted = image.copy()
        half = [round(self.side * length) / 2 for length in image.size]
        center = [random.random() * length for length in image.size]
        color = tuple(random.randrange(256) for _ in range(3))
        # Pillow counts the corner at the lower right as a part of the box.
        corners = [round(c - h) for c, h in zip(center, half, strict=True)]
        corners += [round(c + h) - 1 for c, h in zip(center, half, strict=True)]
        ImageDraw.Draw(painted).rectangle(corners, fill=color)
        return painted


def _randaugment(text: str, backbone: Backbone) -> Callable[..., Any]:
    fill = tuple(round(255 * value) for value in backbone.mean)
    hints = {"translate_const": int(backbone.image_size * 0.45), "img_mean": fill}
    hints["interpolation"] = Image.Resampling.BICUBIC
    try:
        found = rand_augment_transform(text, hints)
    except (AssertionError, ValueError, KeyError) as error:
        raise ValueError(f"randaugment {text!r}: timm cannot read it {error}") from error
    for op in found.ops:
        if op.name.startswith("Posterize"):
            op.level_fn = partial(_one_bit_at_least, op.level_fn)
    return found


def _one_bit_at_least(level_of: Callable[..., Any], *arguments: object) -> tuple[int, ...]:
    # At the highest magnitude timm asks for no bits at all, which Pillow refuses by now.
    return tuple(max(1, bits) for bits in level_of(*arguments))


def _to_input(backbone: Backbone) -> list[Callable[..., Any]]:
    return [transforms.ToTensor(), transforms.Normalize(backbone.mean, backbone.std)]
