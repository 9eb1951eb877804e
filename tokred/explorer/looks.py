"""Appearance of methods and depths on the page: plain labels, and the markers and colors of the figures."""

from __future__ import annotations

import re

from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path

_SIGNS = {"ell": "ℓ", "infty": "∞"}
_LETTERS = {
    Path.MOVETO: "M",
    Path.LINETO: "L",
    Path.CURVE3: "Q",
    Path.CURVE4: "C",
    Path.CLOSEPOLY: "Z",
}


def plain_label(label: str) -> str:
    """A label without matplotlib's mathtext.

    >>> plain_label(r"$\\ell_2$"), plain_label(r"$\\ell_\\infty$"), plain_label("Top-K")
    ('ℓ₂', 'ℓ∞', 'Top-K')
    """

    def unicode(mathematics: re.Match[str]) -> str:
        text = re.sub(r"\\([A-Za-z]+) ?", lambda m: _SIGNS.get(m[1], m[1]), mathematics[1])
        text = re.sub(r"_\{?([0-9]+)\}?", lambda m: "".join(chr(0x2080 + int(c)) for c in m[1]), text)
        return re.sub(r"[{}_^\\]", "", text)

    return re.sub(r"\$([^$]*)\$", unicode, label)


def svg_path(marker: str) -> str:
    """SVG path data of a matplotlib marker, within a unit square around the origin, with y pointing down."""
    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform())
    parts = []
    for points, code in path.iter_segments(simplify=False):
        letter = _LETTERS[code]
        flipped = points.reshape(-1, 2) * [1, -1]
        parts.append(letter + ("" if letter == "Z" else " ".join(f"{v:.3g}" for v in flipped.ravel())))
    return "".join(parts)


def color_scale(steps: int = 32) -> list[str]:
    """Color scale of depth maps, from low to high."""
    return [to_hex(colormaps["viridis"](step / (steps - 1))) for step in range(steps)]
