"""How images of a data set are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tokred.validation import Strict


class ImageAccess(Strict):
    """How a job reads images: in memory (of the backbone's size), or streamed (any number, any size)."""

    source: Literal["memory", "stream"] = Field(
        "memory",
        description="'memory': decoded once and held in memory, must have the backbone's size; 'stream': "
        "read and resized on demand",
    )
    crop_pct: float | None = Field(
        None,
        gt=0,
        le=1,
        description="evaluation of streamed images: center crop of this fraction of the shorter side; "
        "null: the whole image, resized to a square",
    )


class DatasetImages(ImageAccess):
    """How a study reads the images of a data set; the default depends on the data set."""

    source: Literal["auto", "memory", "stream"] = Field(  # type: ignore[assignment]  # resolved by `access`
        "auto",
        description="'memory': decoded once and held in memory, must have the backbone's size; 'stream': "
        "read and resized on demand; 'auto': memory for generated data sets of the backbone's image size, "
        "stream for all others",
    )

    def access(self, made_size: int | None, image_size: int) -> ImageAccess:
        """How images are read for a backbone.

        This depends on the configuration alone, not on files, so that runs, whose augmentation depends on it,
        can be checked before the first job.

        Args:
            made_size: height and width of the images of a generated data set; None: unknown.
            image_size: height and width of the backbone's input.
        """
        source = self.source
        if source == "auto":
            source = "memory" if made_size == image_size else "stream"
        return ImageAccess(source=source, crop_pct=self.crop_pct)
