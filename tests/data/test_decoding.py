"""Images of every mode become the right RGB, or are a clear error."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tokred.data.decoding import decode

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of_16_bits(pixels: NDArray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write in color."""
    height, width, channels = pixels.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_is_scaled(kind: str) -> None:
    data = encoded(Image.fromarray(LEVELS.astype(np.uint16) * 257), kind)
    np.testing.assert_array_equal(np.asarray(decode(data)), np.stack([LEVELS] * 3, axis=-1))


def test_16_bit_gray_of_the_other_byte_order() -> None:
    levels = LEVELS.astype(">u2") * 257
    data = encoded(Image.frombytes("I;16B", (16, 16), levels.astype(">u2").tobytes()), "TIFF")
    np.testing.assert_array_equal(np.asarray(decode(data))[..., 1], LEVELS)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_of_any_channels(channels: int) -> None:
    data = png_of_16_bits(np.full((2, 3, channels), 0x8000, dtype=np.uint16))
    np.testing.assert_array_equal(np.asarray(decode(data)), np.full((2, 3, 3), 128))


@pytest.mark.parametrize(("dtype", "name"), [(np.float32, "floating-point"), (np.int32, "32-bit integers")])
def test_pixels_without_a_range_are_refused(dtype: type, name: str) -> None:
    data = encoded(Image.fromarray(LEVELS.astype(dtype)), "TIFF")
    with pytest.raises(ValueError, match=f"its pixels are {name}.*, whose range is unknown"):
        decode(data)


def test_transparency_is_dropped(rng: np.random.Generator) -> None:
    alpha = np.dstack([RGB, rng.integers(0, 256, RGB.shape[:2], dtype=np.uint8)])
    np.testing.assert_array_equal(np.asarray(decode(encoded(Image.fromarray(alpha), "PNG"))), RGB)


@pytest.mark.parametrize("transparency", [2, bytes(range(0, 250, 25))])
def test_palettes_with_transparency(transparency: int | bytes, rng: np.random.Generator) -> None:
    colors = rng.integers(0, 256, (10, 3), dtype=np.uint8)
    indices = rng.integers(0, 10, (5, 7), dtype=np.uint8)
    image = Image.frombytes("P", (7, 5), indices.tobytes())
    image.putpalette(colors.tobytes())
    data = encoded(image, "PNG", transparency=transparency)
    np.testing.assert_array_equal(np.asarray(decode(data)), colors[indices])


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.fromarray(255 - RGB)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(RGB), kind, save_all=True, append_images=frames, **options)
    np.testing.assert_array_equal(np.asarray(decode(data)), RGB)


def test_single_bits_and_cmyk() -> None:
    bits = LEVELS % 3 == 0
    np.testing.assert_array_equal(
        np.asarray(decode(encoded(Image.fromarray(bits), "PNG")))[..., 2], bits * 255
    )
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for kind in ("TIFF", "JPEG"):
        np.testing.assert_allclose(np.asarray(decode(encoded(cyan, kind)))[4, 4], (0, 255, 255), atol=3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot identify"),
        (b"\x89PNG\r\n\x1a\n", "cannot be decoded"),
        (encoded(Image.fromarray(RGB), "PNG")[:60], "cannot be decoded"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "exceeds limit"),
    ],
)
def test_damage_is_a_value_error(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(data)
