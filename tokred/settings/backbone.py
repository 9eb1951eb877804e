"""Backbones of a study."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, model_validator

from tokred.settings.base import Label
from tokred.validation import Strict


class Backbone(Strict):
    """A timm Vision Transformer, by name, and where its weights come from.

    With foreign weights (`timm`, or a file) the size and normalisation of images are timm's for that model
    where they are left out.
    """

    model: str = Field(description="name in timm, of a VisionTransformer; may have a tag, as in 'name.tag'")
    label: Label | None = Field(None, description="what figures and tables call it; default: its name")
    image_size: PositiveInt = Field(description="height and width of the input, in pixels")
    patch_size: PositiveInt = Field(description="height and width of a patch, in pixels")
    depth: PositiveInt = Field(12, description="number of blocks")
    kwargs: dict[str, Any] = Field({}, description="further arguments of the model, such as embed_dim")
    mean: tuple[float, float, float] = Field(
        (0.5, 0.5, 0.5), description="mean of each color channel, subtracted from images in [0, 1]"
    )
    std: tuple[float, float, float] = Field(
        (0.5, 0.5, 0.5), description="standard deviation by which each color channel is divided"
    )
    weights: str = Field(
        "shipped",
        description="'shipped' with the package, 'pretrain' within the study, 'timm': timm's for that model "
        "(downloaded once; offline with HF_HUB_OFFLINE=1), or a safetensors file under timm's names",
    )

    pretrained_on: str | list[str] | None = Field(
        None,
        description="adapters of the data sets whose classes the weights' classifier has: it is kept there",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Fill in from timm what foreign weights were trained with; needs to import it, hence only then."""
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


def _timm_defaults(model: str) -> dict[str, Any]:
    """Image size, mean and std of timm's weights for a model; ValueError for a model that it has not."""
    from timm.models import get_pretrained_cfg

    try:
        found = get_pretrained_cfg(model)
    except RuntimeError as error:  # an unknown tag
        raise ValueError(f"model {model!r}: {error}") from None
    if found is None:
        raise ValueError(
            f"timm has no weights for model {model!r}, so image_size, mean and std must be given"
        )
    return {"image_size": found.input_size[-1], "mean": found.mean, "std": found.std}
