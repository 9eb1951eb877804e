"""Example images (Figure 2), and their kept tokens and clusters by keep rate and stage (Figures 36 to 43)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from tokred.artifacts import style
from tokred.artifacts.performance_table import backbone_order
from tokred.methods.registry import METHODS
from tokred.study.view import View

#: Contrast of dropped tokens, as a fraction of the picture's.
_DIM = 0.18
#: Space between the panels of neighboring keep rates, in panels.
_GAP = 0.18
#: Number of characters of class names that fit below a picture.
_FITS = 14
#: Column of `schemas.EXAMPLES` with each part of a pattern.
_COLUMNS = {"kept": "kept", "clusters": "cluster"}


def picture(tables: Mapping[str, pd.DataFrame], dataset: str, place: int = 0) -> NDArray[Any]:
    """(height, width, 3) example picture of a data set, values in [0, 1]; `place` is its index."""
    rows = tables["pictures"]
    chosen = rows[(rows["dataset"] == dataset) & (rows["place"] == place)]
    with Image.open(io.BytesIO(chosen["image"].item())) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float32) / 255


def draw_images(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """One row per data set, with the classes of each picture below it."""
    rows = tables["pictures"]
    across = int(rows["place"].max()) + 1
    size = (style.WIDE - 0.7) / across
    fig = style.figure(style.WIDE, 0.1 + (size + 0.17) * len(view.datasets))
    panels = fig.subplots(len(view.datasets), across, squeeze=False)
    for (dataset, label), line_of_panels in zip(view.datasets.items(), panels, strict=True):
        of_dataset = rows[rows["dataset"] == dataset].set_index("place")["label"]
        for place, axes in enumerate(line_of_panels):
            if place not in of_dataset.index:
                axes.remove()
                continue
            axes.imshow(picture(tables, dataset, place), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            names = of_dataset[place]
            axes.set_xlabel(names if len(names) <= _FITS else names[: _FITS - 1] + "…", fontsize=6)
        line_of_panels[0].set_ylabel(label)
    return fig


def draw_patterns(tables: Mapping[str, pd.DataFrame], view: View, place: int, part: str) -> Figure:
    """One row per method, one column per keep rate and stage, for one image of one data set.

    Args:
        tables: "pictures" and "examples".
        view: the study; its backbone is the first of `backbone_order`, its seed the first.
        place: index of the data set in the study.
        part: "kept" (dropped tokens are dimmed) or "clusters" (a color and an outline for each cluster).
    """
    column = _COLUMNS[part]
    dataset = list(view.datasets)[place]
    rows = tables["examples"]
    chosen = (rows["dataset"] == dataset) & (rows["backbone"] == backbone_order(view)[0])
    rows = rows[chosen & (rows["seed"] == view.seeds[0]) & rows[column].notna()]
    methods = [name for name in view.methods if name in set(rows["method"])]
    image = picture(tables, dataset)
    fig, panels = _grid(len(methods), view)
    grouped = {
        key: of_run.sort_values(["stage", "token"]) for key, of_run in rows.groupby(["method", "keep_rate"])
    }
    for name, line_of_panels in zip(methods, panels, strict=True):
        _show(line_of_panels[0], image, view)
        line_of_panels[0].set_ylabel(METHODS[name].label, rotation=0, ha="right", va="center")
        for position, rate in enumerate(view.keep_rates):
            stages = len(view.locations)
            of_rate = line_of_panels[1 + position * stages :][:stages]
            if (name, rate) not in grouped:
                for axes in of_rate:  # a keep rate that the method does not support
                    _show(axes, np.ones_like(image), view)
                    axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", va="center", color="0.6")
                continue
            values = grouped[name, rate][column].to_numpy().reshape(stages, *view.grid)
            draw = _draw_kept if part == "kept" else _draw_clusters
            draw(of_rate, image, values.astype(int), view)
    _name_columns(panels, view)
    return fig


def _grid(rows: int, view: View) -> tuple[Figure, NDArray[Any]]:
    """Empty panels (methods, 1 + keep rates x stages), as large as the page allows."""
    rates, stages = len(view.keep_rates), len(view.locations)
    widths = [1.0] + ([_GAP] + [1.0] * stages) * rates
    size = min(1.0, (style.WIDE - 1.0) / sum(widths), 8 / rows)
    fig = style.figure(1.0 + size * sum(widths), 0.6 + size * 1.04 * rows, layout="compressed")
    return fig, style.image_panels(fig, rows, widths, pad=0.01)


def _name_columns(panels: NDArray[Any], view: View) -> None:
    """Stages above the first row, keep rates above their first stage."""
    stages = len(view.locations)
    panels[0, 0].set_title("image", fontsize=6)
    for column in range(1, panels.shape[1]):
        rate, stage = divmod(column - 1, stages)
        head = f"$r$ = {style.percent(view.keep_rates[rate])} %" if stage == 0 else ""
        panels[0, column].set_title(f"{head}\nstage {stage + 1}", fontsize=6)


def _show(axes: Axes, image: NDArray[Any], view: View) -> None:
    rows, columns = view.grid
    axes.imshow(image, extent=(0, columns, rows, 0), interpolation="nearest")


def _draw_kept(panels: NDArray[Any], image: NDArray[Any], kept: NDArray[Any], view: View) -> None:
    """The image with dropped tokens dimmed, one panel per stage; `kept` is (stages, rows, columns)."""
    for axes, mask in zip(panels, kept, strict=True):
        strength = np.where(_pixels(mask, image), 1.0, _DIM)[..., None]
        _show(axes, 1 - strength * (1 - image), view)
        axes.add_collection(_outlines(mask))


def _draw_clusters(panels: NDArray[Any], image: NDArray[Any], clusters: NDArray[Any], view: View) -> None:
    """Outlined regions in the mean color of their first cluster, one panel per stage."""
    colors = cluster_colors(clusters, _token_colors(image, view.grid))
    for axes, labels, color in zip(panels, clusters, colors, strict=True):
        _show(axes, color[labels], view)
        axes.add_collection(_outlines(labels))


def cluster_colors(clusters: NDArray[Any], tokens: NDArray[Any]) -> list[NDArray[Any]]:
    """(clusters + 1, 3) colors of each stage: a cluster has that of its largest part in the stage before.

    The last color is white, for dropped tokens.

    Args:
        clusters: (stages, rows, columns) cluster of each token, -1 if it is dropped.
        tokens: (rows, columns, 3) color of each token; clusters of the first stage have the means of these.
    """
    colors: list[NDArray[Any]] = []
    for stage, labels in enumerate(clusters):
        chosen = np.ones((labels.max() + 2, 3))
        for label in np.unique(labels[labels >= 0]):
            inside = labels == label
            if stage == 0:
                chosen[label] = tokens[inside].mean(axis=0)
            else:
                parts, sizes = np.unique(clusters[stage - 1][inside], return_counts=True)
                chosen[label] = colors[-1][parts[sizes.argmax()]]
        colors.append(chosen)
    return colors


def _token_colors(image: NDArray[Any], grid: tuple[int, int]) -> NDArray[Any]:
    """(rows, columns, 3) mean color of each token's patch."""
    rows, columns = grid
    height, width = image.shape[0] // rows, image.shape[1] // columns
    return (
        image[: rows * height, : columns * width].reshape(rows, height, columns, width, 3).mean(axis=(1, 3))
    )


def _pixels(mask: NDArray[Any], image: NDArray[Any]) -> NDArray[Any]:
    """Values of tokens, repeated for each pixel of the image."""
    height, width = image.shape[0] // mask.shape[0], image.shape[1] // mask.shape[1]
    return np.kron(mask, np.ones((height, width), dtype=mask.dtype))


def _outlines(labels: NDArray[Any]) -> LineCollection:
    """Borders between neighboring tokens of different labels, in token coordinates."""
    below, right = np.nonzero(np.diff(labels, axis=0)), np.nonzero(np.diff(labels, axis=1))
    lines = [((x, y + 1), (x + 1, y + 1)) for y, x in zip(*below, strict=True)]
    lines += [((x + 1, y), (x + 1, y + 1)) for y, x in zip(*right, strict=True)]
    return LineCollection(lines, colors="white", linewidths=0.5, capstyle="projecting")
