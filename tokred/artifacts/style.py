"""Style of all figures, and saving them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tokred.files import atomic_path
from tokred.methods.registry import METHODS

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

#: Layout engines of matplotlib, which avoid overlaps; "compressed" is for panels of fixed aspect.
Layout = Literal["constrained", "compressed"]
#: Width of a page and of a column of the paper, in inches.
WIDE, NARROW = 6.9, 3.3
#: Line style of lower bounds and nominal values.
BOUND: dict[str, Any] = {"color": "0.45", "linestyle": (0, (4, 2)), "linewidth": 1.0}
#: Line style of Pareto fronts: wide and pale, behind the methods' lines.
FRONT: dict[str, Any] = {"color": "0.72", "linewidth": 2.6, "solid_capstyle": "round", "zorder": 1}
#: Line style of chance levels: short lines in the color of their method.
CHANCE: dict[str, Any] = {"linewidth": 1.3, "alpha": 0.55}

#: By suffix: metadata that would differ between runs or machines, and the key of the caption.
_METADATA = {
    ".pdf": (("CreationDate", "Producer", "Creator"), "Subject"),
    ".png": (("Software",), "Description"),
    ".svg": (("Date", "Creator"), "Description"),
}

_RC: dict[RcKeyType, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "tokred",
    "mathtext.default": "regular",
    "figure.dpi": 100,
}


def figure(width: float, height: float, layout: Layout = "constrained") -> Figure:
    """An empty figure in the project's style, laid out so that nothing overlaps.

    Args:
        width, height: in inches.
        layout: layout engine.
    """
    mpl.rcParams.update(_RC)
    return Figure(figsize=(width, height), layout=layout)


def method_line(name: str) -> dict[str, Any]:
    """Colour, marker and label of a method's line."""
    method = METHODS[name]
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.4}
    return {"color": method.color, "marker": method.marker, "label": method.label, **edge}


def hollow_marks(name: str) -> dict[str, Any]:
    """Marks of a method for degenerate values: no line, no filling."""
    method = METHODS[name]
    edge = {"markerfacecolor": "white", "markeredgecolor": method.color, "markeredgewidth": 0.8}
    return {"marker": method.marker, "linestyle": "", "label": "_degenerate", **edge}


def line_with_intervals(axes: Axes, x: NDArray[Any], line: pd.DataFrame, **properties: Any) -> None:
    """A line through means, with a thin bar for the interval of each mean that has one.

    Args:
        line: columns `mean` and `half_width`.
        properties: further properties of the line, its color among them.
    """
    axes.plot(x, line["mean"], **properties)
    known = line["half_width"].notna().to_numpy()
    middle, half = line["mean"].to_numpy()[known], line["half_width"].to_numpy()[known]
    axes.vlines(x[known], middle - half, middle + half, color=properties["color"], linewidth=0.8, alpha=0.7)


def method_legend(
    fig: Figure,
    names: Iterable[str],
    bound: str | None = None,
    chance: str | None = None,
    degenerate: str | None = None,
    front: str | None = None,
) -> None:
    """One legend below all panels: methods in the registry's order, then the other marks.

    Args:
        bound, chance, degenerate, front: labels of dashed lines, short lines, hollow marks and wide lines;
            None if a figure has none.
    """
    present = set(names)
    handles = [Line2D([], [], **method_line(name)) for name in METHODS if name in present]
    if bound is not None:
        handles.append(Line2D([], [], label=bound, **BOUND))
    if chance is not None:
        dash: dict[str, Any] = {"marker": "_", "markersize": 7, "markeredgewidth": CHANCE["linewidth"]}
        handles.append(Line2D([], [], label=chance, linestyle="", color="0.45", **dash))
    if degenerate is not None:
        circle: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "markeredgecolor": "0.45"}
        handles.append(Line2D([], [], label=degenerate, linestyle="", markeredgewidth=0.8, **circle))
    if front is not None:
        handles.append(Line2D([], [], label=front, **FRONT))
    columns = min(len(handles), 7 if fig.get_figwidth() > 5 else 3)
    fig.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, handlelength=1.8)


def image_panels(fig: Figure, rows: int, widths: Sequence[float], pad: float) -> NDArray[Any]:
    """(rows, columns) panels for images, without ticks, spines or grid.

    Args:
        fig: figure with the layout "compressed".
        rows: number of rows of panels.
        widths: relative widths: 1 for a column of panels, less for a gap between two.
        pad: space around panels, in inches.
    """
    engine = fig.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine):
        raise ValueError(f"layout engine {engine}: expected a figure with layout='compressed'")
    engine.set(w_pad=pad, h_pad=pad, wspace=0, hspace=0)
    panels = fig.add_gridspec(rows, len(widths), width_ratios=widths).subplots(squeeze=False)
    is_gap = np.array(widths) < 1
    for axes in panels[:, is_gap].flat:
        axes.remove()
    for axes in panels[:, ~is_gap].flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)
    return panels[:, ~is_gap]


def shared_xlabel(panels: NDArray[Any], text: str) -> None:
    """One label below the bottom row of panels (a figure's own label would overlap with the legend)."""
    bottom = panels[-1]
    middle = bottom[len(bottom) // 2]
    middle.set_xlabel(text)
    if len(bottom) % 2 == 0:
        middle.xaxis.label.set_x(0.0)


def percent(keep_rate: str) -> str:
    """A keep rate in percent, for axes: "0.50" becomes 50."""
    return f"{100 * float(keep_rate):g}"


def number(value: float) -> str:
    """Two decimals, with a minus sign rather than a hyphen and no negative zero."""
    return f"{value:z.2f}".replace("-", "−")


def unit_axis(axes: Axes, low: float = 0.0) -> None:
    """Set limits and ticks for values in [low, 1]."""
    axes.set_ylim(low - 0.03, 1.03)
    axes.set_yticks([low, 0.25, 0.5, 0.75, 1.0] if low == 0 else [-1, -0.5, 0, 0.5, 1])


def save(fig: Figure, path: str | Path, title: str = "", caption: str = "") -> None:
    """Write a figure as PDF, PNG or SVG, byte-identical every time, with title and caption in its metadata.

    Raises ValueError for another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _METADATA:
        raise ValueError(f"{path}: expected a figure's suffix, {', '.join(_METADATA)}")
    suppressed, of_caption = _METADATA[suffix]
    metadata = {**dict.fromkeys(suppressed), "Title": title, of_caption: caption}
    with atomic_path(path) as temporary:
        fig.savefig(temporary, dpi=200, metadata=metadata, format=suffix.removeprefix("."))
