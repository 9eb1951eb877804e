"""How a data set's images reach the backbone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tokred.validation import Strict


class ImageAccess(Strict):
    """What a job is told: images in memory (of the backbone's size), or streamed (any number, any size)."""

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


class DatasetImages(ImageAccess):
    """What a study says; by default where images are read from follows from the data set."""

    source: Literal["auto", "memory", "stream"] = Field(  # type: ignore[assignment]  # resolved by `access`
        "auto",
        description="'memory': all decoded at once, and of the backbone's size; 'stream': read and resized "
        "as they are needed; 'auto': memory for built-in data sets whose pictures are of the backbone's "
        "size, stream for all others",
    )

    def access(self, made_size: int | None, image_size: int) -> ImageAccess:
        """How images reach a backbone.

        The choice follows from the configuration alone, not from the files: images in memory and streamed
        ones are augmented differently, and what a run does must be known, and checked, before any job.

        Args:
            made_size: height and width of the data set's pictures where tokred makes them; None: unknown.
            image_size: height and width of the backbone's input.
        """
        source = self.source
        if source == "auto":
            source = "memory" if made_size == image_size else "stream"
        return ImageAccess(source=source, crop_pct=self.crop_pct)
