"""Settings of augmentation (paper Table 3)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from tokred.validation import Strict

_STREAMED = "; streamed images only"


class Augmentation(Strict):
    """Random changes of training images, applied in the order of the fields; none by default.

    Strengths that the paper does not state are those of DeiT and of the authors of the asymmetric loss, which
    it follows: see `tokred.study.hyperparameters`.
    """

    crop: Literal["whole", "random"] = Field(
        "whole",
        description="'whole': the whole image, resized to a square; 'random': a random crop of 8 to 100 % of "
        "the area, resized" + _STREAMED,
    )
    flip: float = Field(0.0, ge=0, le=1, description="probability of a horizontal flip" + _STREAMED)
    cutout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="side of a square of random color, as a fraction of the image's" + _STREAMED,
    )
    randaugment: str | None = Field(
        None,
        pattern=r"^rand(-[a-z]+[0-9.]+)+$",
        description="RandAugment, as a configuration string of timm" + _STREAMED,
    )
    erasing: float = Field(0.0, ge=0, le=1, description="probability of random erasing" + _STREAMED)
    max_shift: NonNegativeInt = Field(0, description="largest random shift in pixels; images in memory only")
    color_jitter: float = Field(
        0.0, ge=0, lt=1, description="strength of random brightness and contrast; images in memory only"
    )
    mixup: NonNegativeFloat = Field(0.0, description="alpha of Mixup; 0: none; single-label data sets only")
    cutmix: NonNegativeFloat = Field(0.0, description="alpha of CutMix; 0: none; single-label data sets only")
    cutmix_share: float = Field(0.5, ge=0, le=1, description="probability of CutMix if both are enabled")
    mix_micro_batch: PositiveInt = Field(
        256,
        multiple_of=2,
        description="number of successive images of a batch that share one draw of Mixup or CutMix",
    )
    repeats: PositiveInt = Field(
        1,
        description="number of differently augmented copies of each image in an epoch" + _STREAMED,
    )

    def needing(self, source: str) -> list[str]:
        """Names of the enabled augmentations that are only possible for one source, "stream" or "memory"."""
        own = {
            "stream": ("crop", "flip", "cutout", "randaugment", "erasing", "repeats"),
            "memory": ("max_shift", "color_jitter"),
        }[source]
        defaults = Augmentation()
        return [name for name in own if getattr(self, name) != getattr(defaults, name)]
