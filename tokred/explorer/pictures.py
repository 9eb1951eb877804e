"""Images as the page carries them: cut to the token grid's shape, small, as data URIs."""

from __future__ import annotations

import base64

from PIL import Image

from tokred.data.decoding import encode

#: Longest side of an embedded image in pixels.
SIDE = 224
#: Images of at most so many pixels a side are kept exactly (PNG); JPEG blurs them for no gain.
_EXACT = 64


def data_uri(image: Image.Image, grid: tuple[int, int]) -> str:
    """The image as text for `src`.

    Args:
        image: RGB, of any size; what stands over in one direction is cut off evenly on both sides.
        grid: (rows, columns) of the square tokens that lie over it.
    """
    image = _cropped(image, grid)
    shrink = min(1.0, SIDE / max(image.size))
    if shrink < 1:
        width, height = (max(1, round(side * shrink)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    kind = "PNG" if max(image.size) <= _EXACT else "JPEG"
    options = {} if kind == "PNG" else {"quality": 85}
    data = encode(image, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"


def _cropped(image: Image.Image, grid: tuple[int, int]) -> Image.Image:
    """The largest part around the middle that has the grid's shape."""
    rows, columns = grid
    width, height = image.size
    cell = min(width / columns, height / rows)
    across, down = max(1, round(cell * columns)), max(1, round(cell * rows))
    left, top = (width - across) // 2, (height - down) // 2
    return image.crop((left, top, left + across, top + down))
