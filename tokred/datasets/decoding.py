"""Encoded images to pixels, as the published protocols decode them (torchvision's default loader).

Everything becomes RGB by Pillow's conversion: grey levels are repeated, palettes looked up, CMYK converted,
transparency dropped. A camera's note of its orientation (EXIF) turns nothing.
"""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

#: What Pillow raises for bytes that are no image, or only part of one, or far too large.
_UNDECODABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def decode(source: bytes | str) -> Image.Image:
    """An RGB image of encoded bytes, or of the file of that name.

    Raises:
        ValueError: there is no such file, or its bytes are no image or only a part of one.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return image.convert("RGB")
    except _UNDECODABLE as error:
        raise ValueError(f"cannot be decoded: {error}") from error
