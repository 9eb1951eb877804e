"""How a data set's images reach the backbone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tokred.config.base import Strict


class ImageAccess(Strict):
    """In memory (small images of the backbone's size), or streamed (any number, any size)."""

    source: Literal["memory", "stream"] = Field(
        "memory",
        description="'memory': all decoded at once, and of the backbone's size; 'stream': read and resized "
        "as they are needed",
    )
    crop_pct: float | None = Field(
        None,
        gt=0,
        le=1,
        description="evaluation of streamed images: the central square of this part of the shorter side; "
        "null: the whole image, resized to a square",
    )
