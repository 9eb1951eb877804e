"""Images for the page: cropped to the aspect ratio of the token grid, scaled down, as data URIs."""

from __future__ import annotations

import base64

from PIL import Image

from tokred.data.decoding import encode

#: Maximum side of an embedded image in pixels.
SIDE = 224
#: Images up to this side, in pixels, are stored losslessly (PNG): JPEG would blur them and save nothing.
_MAX_LOSSLESS = 64


def data_uri(image: Image.Image, grid: tuple[int, int]) -> str:
    """The image as a data URI.

    Args:
        image: RGB, of any size; its center is cropped to the aspect ratio of the grid.
        grid: (rows, columns) of the square tokens.
    """
    image = _cropped(image, grid)
    shrink = min(1.0, SIDE / max(image.size))
    if shrink < 1:
        width, height = (max(1, round(side * shrink)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    kind = "PNG" if max(image.size) <= _MAX_LOSSLESS else "JPEG"
    options = {} if kind == "PNG" else {"quality": 85}
    data = encode(image, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"


def _cropped(image: Image.Image, grid: tuple[int, int]) -> Image.Image:
    """The largest center crop with the aspect ratio of the grid."""
    rows, columns = grid
    width, height = image.size
    cell = min(width / columns, height / rows)
    across, down = max(1, round(cell * columns)), max(1, round(cell * rows))
    left, top = (width - across) // 2, (height - down) // 2
    return image.crop((left, top, left + across, top + down))
