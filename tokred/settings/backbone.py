"""Settings of a backbone."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, PositiveInt, model_validator

from tokred.schedules.macs import Shape
from tokred.settings.base import Label
from tokred.validation import Strict

#: Widths of timm's models by the size in their names. Asking timm would import torch, which takes seconds in
#: every call of Snakemake.
_WIDTHS = {"tiny": 192, "small": 384, "base": 768, "large": 1024, "huge": 1280, "giant": 1408}


class Backbone(Strict):
    """A Vision Transformer of timm, by name, and the source of its weights.

    With external weights (`timm`, or a file), `image_size`, `mean` and `std` default to those of timm for the
    model.
    """

    model: str = Field(
        description="name of an isotropic Vision Transformer in timm, optionally with a tag: 'name.tag'"
    )
    label: Label | None = Field(None, description="label in figures and tables; default: its name")
    image_size: PositiveInt = Field(description="height and width of the input, in pixels")
    patch_size: PositiveInt = Field(description="height and width of a patch, in pixels")
    depth: PositiveInt = Field(12, description="number of blocks")
    kwargs: dict[str, Any] = Field({}, description="other arguments of the model, such as embed_dim")
    mean: tuple[float, float, float] = Field(
        (0.5, 0.5, 0.5), description="mean of each color channel, subtracted from images in [0, 1]"
    )
    std: tuple[float, float, float] = Field(
        (0.5, 0.5, 0.5), description="standard deviation by which each color channel is divided"
    )
    weights: str = Field(
        "shipped",
        description="'shipped': part of the package; 'pretrain': trained in the study; 'timm': those of timm "
        "(downloaded once; offline with HF_HUB_OFFLINE=1); or a safetensors file with timm's names",
    )

    pretrained_on: str | list[str] | None = Field(
        None, description="adapters of the data sets whose classes the pretrained classifier predicts"
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Fill in timm's settings of external weights; imports timm only if some are missing."""
        if not isinstance(values, dict) or values.get("weights", "shipped") in ("shipped", "pretrain"):
            return values
        known = ("image_size", "mean", "std")
        if all(name in values for name in known) or not isinstance(values.get("model"), str):
            return values
        return {**_timm_defaults(values["model"]), **values}

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of input tokens."""
        return (self.image_size // self.patch_size,) * 2

    @property
    def shape(self) -> Shape:
        """Dimensions of the network without its classifier, from the configuration alone.

        The width is `embed_dim` of the configuration, else it follows from the size in the model's name, else
        it is that of a base model.
        """
        default = next(
            (width for size, width in _WIDTHS.items() if f"_{size}_" in self.model), _WIDTHS["base"]
        )
        width = self.kwargs.get("embed_dim", default)
        return Shape(
            num_tokens=math.prod(self.grid),
            num_prefix=1,
            patch_dim=3 * self.patch_size**2,
            embed_dim=width,
            mlp_dim=int(width * self.kwargs.get("mlp_ratio", 4)),
            depth=self.depth,
            num_classes=0,
        )


def _timm_defaults(model: str) -> dict[str, Any]:
    """Image size, mean and std of timm's weights for a model; ValueError for unknown models."""
    from timm.models import get_pretrained_cfg

    try:
        config = get_pretrained_cfg(model)
    except RuntimeError as error:  # an unknown tag
        raise ValueError(f"model {model!r}: {error}") from None
    if config is None:
        raise ValueError(
            f"timm has no weights for model {model!r}; expected the keys image_size, mean and std"
        )
    return {"image_size": config.input_size[-1], "mean": config.mean, "std": config.std}
