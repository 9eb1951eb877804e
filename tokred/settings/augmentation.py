"""Settings of augmentation (paper Table 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from tokred.validation import Strict

_STREAMED = "; streamed images only"


class Augmentation(Strict):
    """What happens to an image before it is learned from; nothing by default.

    The order is that of the fields. Strengths that the paper does not state are those of DeiT and of the
    asymmetric loss's authors, whom it follows: see `tokred.study.hyperparameters`.
    """

    crop: Literal["whole", "random"] = Field(
        "whole",
        description="'whole': resize to the backbone's square; 'random': a random part of 8 to 100 % of the "
        "area, resized" + _STREAMED,
    )
    flip: float = Field(0.0, ge=0, le=1, description="probability of a mirrored image" + _STREAMED)
    cutout: float = Field(
        0.0, ge=0, lt=1, description="side of a square in a random colour, part of the image's" + _STREAMED
    )
    randaugment: str | None = Field(
        None, pattern=r"^rand(-[a-z]+[0-9.]+)+$", description="RandAugment as timm writes it" + _STREAMED
    )
    erasing: float = Field(0.0, ge=0, le=1, description="probability of random erasing" + _STREAMED)
    max_shift: NonNegativeInt = Field(
        0, description="random shift by up to so many pixels; images in memory only"
    )
    color_jitter: float = Field(
        0.0, ge=0, lt=1, description="random brightness and contrast; images in memory only"
    )
    mixup: NonNegativeFloat = Field(0.0, description="alpha of Mixup, 0: none; single-label data sets only")
    cutmix: NonNegativeFloat = Field(0.0, description="alpha of CutMix, 0: none; single-label data sets only")
    cutmix_share: float = Field(0.5, ge=0, le=1, description="probability of CutMix where there is both")
    mix_micro_batch: PositiveInt = Field(
        256,
        multiple_of=2,
        description="so many successive images of a batch share one draw of Mixup or CutMix, on any hardware",
    )
    repeats: PositiveInt = Field(
        1,
        description="an epoch shows so many differently augmented copies of each image it draws" + _STREAMED,
    )

    def needing(self, source: str) -> list[str]:
        """Names of the chosen augmentations that only images from a source ("stream", "memory") can have."""
        own = {
            "stream": ("crop", "flip", "cutout", "randaugment", "erasing", "repeats"),
            "memory": ("max_shift", "color_jitter"),
        }[source]
        defaults = Augmentation()
        return [name for name in own if getattr(self, name) != getattr(defaults, name)]
