"""Decoding of images to 8-bit RGB, as in the published protocols (torchvision's default loader).

Pillow repeats gray levels, looks palettes up, converts CMYK and drops transparency. As in torchvision, EXIF
orientation is ignored, and only the first frame of an animation is decoded. Unlike in the default loader,
16-bit
gray levels are scaled to 8 bits: Pillow clips them at 255, so that nearly every pixel becomes white.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, UnidentifiedImageError

#: Exceptions of Pillow for bytes that are not an image, truncated, or far too large.
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
    """The RGB image of encoded bytes, or of a file.

    Raises:
        ValueError: the file does not exist, is not an image, is truncated, or its pixels have an unknown
            range (floating-point numbers, 32-bit integers).
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return _rgb(image)
    except _UNDECODABLE as error:
        raise ValueError(f"cannot be decoded: {error}") from error


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """Encode an image in one of Pillow's formats ("PNG", "JPEG"), with options of that format."""
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
        # The direct conversion warns that transparency is lost, which is intended here.
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Gray levels from 0 to 65,535 as 0 to 255, rounded."""
    levels = np.asarray(image).astype(np.float32)
    return Image.fromarray((levels / 257 + 0.5).astype(np.uint8))
