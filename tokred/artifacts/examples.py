"""Example images (Figure 2), and their kept tokens and clusters by keep rate and stage (Figures 36 to 43)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from tokred.artifacts import style
from tokred.artifacts.performance_table import backbone_order
from tokred.artifacts.token_pictures import Columns, Fates, Part, draw_fates
from tokred.methods.registry import METHODS
from tokred.study.view import View

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


def draw_patterns(tables: Mapping[str, pd.DataFrame], view: View, place: int, part: Part) -> Figure:
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
    grouped = {
        key: of_run.sort_values(["stage", "token"]) for key, of_run in rows.groupby(["method", "keep_rate"])
    }
    of_methods = [
        (METHODS[name].label, [_fates(grouped.get((name, rate)), view, part) for rate in view.keep_rates])
        for name in view.methods
        if name in set(rows["method"])
    ]
    columns = Columns(
        [f"$r$ = {style.percent(rate)} %" for rate in view.keep_rates],
        [f"stage {stage + 1}" for stage in range(len(view.locations))],
    )
    return draw_fates(picture(tables, dataset), view.grid, of_methods, columns, part)


def _fates(rows: pd.DataFrame | None, view: View, part: Part) -> Fates | None:
    """The fates of a run's tokens, from its rows sorted by stage and token; None for a run that is not."""
    if rows is None:
        return None
    values = rows[_COLUMNS[part]].to_numpy().reshape(len(view.locations), *view.grid).astype(int)
    return Fates(kept=values, clusters=None) if part == "kept" else Fates(kept=None, clusters=values)
