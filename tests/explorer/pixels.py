"""The patterns that a page shows, read from the browser; and the expected ones, read from the tables."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.explorer.studies import Made
from tokred.data.image_table import ImageTable
from tokred.methods.registry import METHODS
from tokred.run import Run
from tokred.tables import patterns

_READ = """figures => figures.map(
  figure => ({...figure.dataset, caption: figure.querySelector("span").textContent}))"""


def figures(page: object) -> list[dict[str, str]]:
    """Data attributes and caption of each picture of the first view."""
    return page.eval_on_selector_all("#cards figure", _READ)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")] if text else []


def pixels(page: object, figure: str, grid: tuple[int, int], *, layer: int = 0) -> NDArray:
    """(P, 4) color of one pixel of every token, away from the marks at centers and edges."""
    canvas = f"{figure} canvas:nth-of-type({layer + 1})"
    uri = page.eval_on_selector(canvas, "canvas => canvas.toDataURL()")
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))
    rows, columns = (np.arange(count) for count in grid)
    down = ((rows + 0.28) * drawn.shape[0] / grid[0]).astype(int)
    right = ((columns + 0.28) * drawn.shape[1] / grid[1]).astype(int)
    return drawn[down[:, None], right].reshape(-1, 4).astype(int)


@dataclass(frozen=True)
class Truth:
    """One image's pattern of one run, from the tables."""

    survived: NDArray | None
    clusters: list[NDArray] | None

    def kept(self, stage: int) -> list[int]:
        if self.clusters is not None:
            return np.flatnonzero(self.clusters[stage - 1] >= 0).tolist()
        return np.flatnonzero(self.survived >= stage).tolist()

    def centers(self, stage: int) -> list[int]:
        return np.flatnonzero(self.survived >= stage).tolist()

    def lit(self, stage: int, token: int) -> list[int]:
        if self.clusters is None:
            return [token]
        assigned = self.clusters[stage - 1]
        return np.flatnonzero(assigned == assigned[token]).tolist()


def truth(made: Made, dataset: str, backbone: str, method: str, rate: str, image: str) -> Truth:
    rate = "1.00" if method == "none" else rate
    stored = _patterns(made.path("patterns", Run(dataset, backbone, method, rate, made.view.seeds[0])))
    row = stored.image_ids.tolist().index(image)
    clusters = None if stored.clusters is None else [stage[row] for stage in stored.clusters]
    return Truth(None if stored.survived is None else stored.survived[row], clusters)


_patterns = cache(patterns.read)


def token_colors(made: Made, dataset: str, image: str) -> NDArray:
    """(P, 3) colors of a made-up picture's tokens."""
    table = ImageTable(made.folder / f"datasets/{dataset}/test.parquet")
    picture = np.asarray(table.image(table.image_ids.tolist().index(image)))
    rows, columns = made.view.grid
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    return picture[::height, ::width].reshape(-1, 3).astype(int)


def methods_at(made: Made, rate: str) -> list[str]:
    """Methods that have pictures at a keep rate, in the page's order."""
    return ["none", *(name for name in made.view.methods if METHODS[name].can_keep(rate))]
