"""Encoded images: to 8-bit RGB, as the published protocols decode them (torchvision's default loader).

Pillow converts: gray levels are repeated, palettes looked up, CMYK converted, transparency dropped. An EXIF
orientation is ignored, and of an animation the first frame is taken, as torchvision does both. One thing
differs from the default loader: 16-bit gray levels are scaled to 8 bits. Pillow clips them at
255, so that nearly every pixel becomes white.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, UnidentifiedImageError

#: What Pillow raises for bytes that are no image, or only part of one, or far too large.
_UNDECODABLE = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
)
#: Formats whose mode "I" (32-bit integers) holds 16-bit values.
_DEEP_FORMATS = ("PNG", "PPM")


def decode(source: bytes | str) -> Image.Image:
    """An RGB image of encoded bytes, or of the file of that name.

    Raises:
        ValueError: there is no such file, its bytes are no image or only a part of one, or its pixels have no
            known range (floating-point numbers, 32-bit integers).
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return _rgb(image)
    except _UNDECODABLE as error:
        raise ValueError(f"cannot be decoded: {error}") from error


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of an image in one of Pillow's formats ("PNG", "JPEG"), with that format's options."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in _DEEP_FORMATS):
        return _from_16_bits(image).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise ValueError(f"its pixels are {kind}, whose range is unknown; expected 8 or 16 bits a channel")
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        # The direct conversion warns that transparency is lost, which is what is wanted.
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Gray levels from 0 to 65,535 as 0 to 255, rounded."""
    levels = np.asarray(image).astype(np.float32)
    return Image.fromarray((levels / 257 + 0.5).astype(np.uint8))
