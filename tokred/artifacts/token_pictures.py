"""Pictures of an image's tokens: which of them a method keeps, drops and merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tokred.artifacts import style

#: What of the tokens' fates is shown.
Part = Literal["kept", "clusters", "both"]
#: Contrast of dropped tokens, as a fraction of the picture's.
_DIM = 0.18
#: Space between the panels of neighboring groups, in panels.
_GAP = 0.18
#: Width of the names of methods, and height of the titles, in inches.
_NAMES, _TITLES = 1.0, 0.6
#: Height of a line of text below a panel, in inches.
_LINE = 0.14


@dataclass(frozen=True)
class Fates:
    """What has become of each token of an image after each of S stages.

    Attributes:
        kept: (S, rows, columns) whether a token is kept, or is the center of a cluster; None for a method
            without kept tokens.
        clusters: (S, rows, columns) index of each token's cluster, -1 if it was dropped; None for a method
            without clusters.
        texts: text below the picture of each stage, such as the number of tokens that are left.
    """

    kept: NDArray[Any] | None
    clusters: NDArray[Any] | None
    texts: tuple[str, ...] = ()

    def has(self, part: Part) -> bool:
        """Whether there is anything to show of a part."""
        parts = {"kept": self.kept is not None, "clusters": self.clusters is not None}
        return any(parts.values()) if part == "both" else parts[part]


@dataclass(frozen=True)
class Columns:
    """The columns of panels: groups, such as keep rates, each with the same stages.

    Attributes:
        groups: title of each group; empty for none.
        stages: title of each stage of a group.
    """

    groups: Sequence[str]
    stages: Sequence[str]


def draw_fates(
    image: NDArray[Any],
    grid: tuple[int, int],
    rows: Sequence[tuple[str, Sequence[Fates | None]]],
    columns: Columns,
    part: Part,
    largest: float = 1.0,
) -> Figure:
    """One row per method: the image, and the fates of its tokens by group and stage.

    Args:
        image: (height, width, 3) values in [0, 1]; height and width are multiples of the grid's.
        grid: (rows, columns) of tokens.
        rows: name of each method, and its fates in each group; None for a group that it does not support,
            whose panels have a dash.
        columns: groups and stages.
        part: "kept" (dropped tokens are dimmed), "clusters" (each is a region of its mean color, dropped
            tokens are dimmed), or "both": what a method has; centers of clusters have a dot.
        largest: largest width of a panel, in inches.
    """
    stages = len(columns.stages)
    lines = max((len(found.texts) > 0 for _, of_method in rows for found in of_method if found), default=0)
    fig, panels = _panels(len(rows), columns, lines, largest, grid[0] / grid[1])
    for (name, of_method), (first, *others) in zip(rows, panels, strict=True):
        _show(first, image, grid)
        first.set_ylabel(name, rotation=0, ha="right", va="center")
        for place, fates in enumerate(of_method):
            of_group = others[place * stages :][:stages]
            if fates is None:
                for axes in of_group:
                    _show(axes, np.ones_like(image), grid)
                    axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", va="center", color="0.6")
                continue
            _draw_row(of_group, image, grid, fates, part)
            for axes, text in zip(of_group, fates.texts, strict=False):
                axes.set_xlabel(text, fontsize=6, labelpad=2)
    panels[0, 0].set_title("image", fontsize=6)
    for place, axes in enumerate(panels[0, 1:]):
        group, stage = divmod(place, stages)
        head = columns.groups[group] if stage == 0 else ""
        title = columns.stages[stage]
        axes.set_title(f"{head}\n{title}" if any(columns.groups) else title, fontsize=6)
    return fig


def _panels(
    rows: int, columns: Columns, lines: int, largest: float, aspect: float
) -> tuple[Figure, NDArray[Any]]:
    """Empty panels (methods, 1 + groups x stages), as large as the page allows.

    Args:
        rows: number of methods.
        columns: groups and stages.
        lines: number of lines of text below each panel.
        largest: largest width of a panel, in inches.
        aspect: height of a panel, in widths.
    """
    stages = len(columns.stages)
    widths = [1.0] + ([_GAP] + [1.0] * stages) * len(columns.groups)
    size = min(largest, (style.WIDE - _NAMES) / sum(widths), (8 / rows - _LINE * lines) / aspect)
    height = _TITLES + (size * 1.04 * aspect + _LINE * lines) * rows
    fig = style.figure(_NAMES + size * sum(widths), height, layout="compressed")
    return fig, style.image_panels(fig, rows, widths, pad=0.01)


def _show(axes: Axes, image: NDArray[Any], grid: tuple[int, int]) -> None:
    rows, columns = grid
    axes.imshow(image, extent=(0, columns, rows, 0), interpolation="nearest")


def _draw_row(
    panels: Sequence[Axes], image: NDArray[Any], grid: tuple[int, int], fates: Fates, part: Part
) -> None:
    """One panel per stage."""
    if fates.clusters is not None and part != "kept":
        _draw_clusters(panels, image, grid, fates.clusters)
        if part == "both" and fates.kept is not None:
            _draw_centers(panels, fates)
    else:
        assert fates.kept is not None, "callers leave out methods without this part"
        _draw_kept(panels, image, grid, fates.kept)


def _draw_kept(
    panels: Sequence[Axes], image: NDArray[Any], grid: tuple[int, int], kept: NDArray[Any]
) -> None:
    """The image with dropped tokens dimmed."""
    for axes, mask in zip(panels, kept, strict=True):
        _show(axes, _dimmed(image, mask), grid)
        axes.add_collection(_outlines(mask))


def _draw_clusters(
    panels: Sequence[Axes], image: NDArray[Any], grid: tuple[int, int], clusters: NDArray[Any]
) -> None:
    """Outlined regions in the mean color of their first cluster; dropped tokens are dimmed."""
    colors = cluster_colors(clusters, _token_colors(image, grid))
    for axes, labels, color in zip(panels, clusters, colors, strict=True):
        dropped = labels < 0
        regions = color[labels]
        if dropped.any():
            faded = _dimmed(image, np.zeros_like(labels))
            regions = np.where(_pixels(dropped, image)[..., None], faded, _pixels(regions, image))
        _show(axes, regions, grid)
        axes.add_collection(_outlines(labels))


def _draw_centers(panels: Sequence[Axes], fates: Fates) -> None:
    """A dot on the center of each cluster of several tokens."""
    assert fates.kept is not None
    assert fates.clusters is not None
    for axes, mask, labels in zip(panels, fates.kept, fates.clusters, strict=True):
        members = np.bincount(labels[labels >= 0], minlength=labels.max() + 1)
        y, x = np.nonzero(mask & (labels >= 0) & (members[labels] > 1))
        axes.scatter(x + 0.5, y + 0.5, s=3.0, color="white", edgecolors="black", linewidths=0.3, zorder=3)


def _dimmed(image: NDArray[Any], kept: NDArray[Any]) -> NDArray[Any]:
    """The image, lighter where tokens are not kept."""
    strength = np.where(_pixels(kept, image), 1.0, _DIM)[..., None]
    return 1 - strength * (1 - image)


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


def _pixels(values: NDArray[Any], image: NDArray[Any]) -> NDArray[Any]:
    """(height, width, ...) values of (rows, columns, ...) tokens, repeated for each pixel of the image."""
    height, width = image.shape[0] // values.shape[0], image.shape[1] // values.shape[1]
    return values.repeat(height, axis=0).repeat(width, axis=1)


def _outlines(labels: NDArray[Any]) -> LineCollection:
    """Borders between neighboring tokens of different labels, in token coordinates."""
    below, right = np.nonzero(np.diff(labels, axis=0)), np.nonzero(np.diff(labels, axis=1))
    lines = [((x, y + 1), (x + 1, y + 1)) for y, x in zip(*below, strict=True)]
    lines += [((x + 1, y), (x + 1, y + 1)) for y, x in zip(*right, strict=True)]
    return LineCollection(lines, colors="white", linewidths=0.5, capstyle="projecting")
