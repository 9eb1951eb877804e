"""The data that the page embeds: images, patterns, predictions, performance and depth maps of a study.

Patterns are base64 of unsigned integers (of one byte, or of two if the grid has more than 254 tokens; the
highest value encodes -1): `survived` as (image, token), `clusters` as (image, stage, token).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokred.explorer.looks import color_scale, plain_label, svg_path
from tokred.explorer.selection import first_class
from tokred.methods.registry import METHODS, Family
from tokred.run import UNREDUCED, Run
from tokred.study.view import View
from tokred.tables.patterns import Patterns


@dataclass(frozen=True)
class ShownDataset:
    """Images of a data set, in order of preference.

    Attributes:
        name: name of the data set.
        task: "single" or "multi".
        classes: class names.
        total: number of all test images.
        ids: ids of the images.
        labels: (n,) classes, or (n, C) multi-hot.
        pictures: data URIs.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    total: int
    ids: list[str]
    labels: NDArray[Any]
    pictures: list[str]

    def order(self, count: int) -> NDArray[Any]:
        """Indices of the `count` most preferred images in the page's order: by class, then by id."""
        first = np.arange(min(count, len(self.ids)))
        return np.lexsort((np.array(self.ids)[first], first_class(self.labels)[first]))


@dataclass(frozen=True)
class ShownRun:
    """Patterns and (n, C) logits of a run for the shown images of its data set, in their order."""

    run: Run
    patterns: Patterns
    logits: NDArray[Any]


@dataclass(frozen=True)
class Content:
    """Everything that the page can show.

    Attributes:
        view: the study.
        datasets: images by data set.
        runs: runs of the first seed.
        scores, agreement, macs: `schemas.SCORES`, `schemas.AGREEMENT` and `schemas.MACS` of all runs.
        depth: `schemas.DEPTH` of the runs of the first seed.
    """

    view: View
    datasets: dict[str, ShownDataset]
    runs: list[ShownRun]
    scores: pd.DataFrame
    agreement: pd.DataFrame
    macs: pd.DataFrame
    depth: pd.DataFrame

    def payload(self, count: int) -> dict[str, object]:
        """The page's data with at most `count` images per data set, as JSON values."""
        view = self.view
        orders = {name: shown.order(count) for name, shown in self.datasets.items()}
        return {
            "study": view.study,
            "grid": list(view.grid),
            "locations": list(view.locations),
            "depth": view.depth,
            "seeds": list(view.seeds),
            "rates": list(view.keep_rates),
            "unreduced": UNREDUCED,
            "bytes": _dtype(view).itemsize,
            "scale": color_scale(),
            "methods": [_method(name, view) for name in (UNREDUCED, *view.methods)],
            "backbones": [{"name": name, "label": label} for name, label in view.backbones.items()],
            "datasets": [_dataset(self.datasets[name], view, order) for name, order in orders.items()],
            "runs": {_key(r.run): self._run(r, orders[r.run.dataset]) for r in self.runs},
            "scores": _scores(self),
            "maps": _maps(self.depth),
        }

    def _run(self, shown: ShownRun, order: NDArray[Any]) -> dict[str, object]:
        patterns, dtype = shown.patterns, _dtype(self.view)
        task = self.datasets[shown.run.dataset].task
        entry: dict[str, object] = {"predicted": _predicted(shown.logits[order], task)}
        if patterns.survived is not None:
            entry["survived"] = _pack(patterns.survived[order], dtype)
        if patterns.clusters is not None:
            entry["clusters"] = _pack(np.stack(patterns.clusters, axis=1)[order], dtype)
        if patterns.margin is not None:
            entry["margin"] = [[_number(value, 6) for value in row] for row in patterns.margin[order]]
        return entry


def _key(run: Run) -> str:
    return f"{run.dataset}/{run.backbone}/{run.method}/{run.keep_rate}"


def _dtype(view: View) -> np.dtype:
    return np.dtype("u1" if math.prod(view.grid) < 255 else "<u2")


def _pack(values: NDArray[Any], dtype: np.dtype) -> str:
    """Base64 of integers from -1 upwards; -1 becomes the highest value."""
    return base64.b64encode(values.astype(dtype).tobytes()).decode()


def _predicted(logits: NDArray[Any], task: str) -> list[list[int]]:
    """Predicted classes of each image: the most probable one, or all with a probability above one half."""
    if task == "single":
        return [[int(value)] for value in logits.argmax(axis=1)]
    return [np.flatnonzero(row > 0).tolist() for row in logits]


def _method(name: str, view: View) -> dict[str, object]:
    method = METHODS[name]
    return {
        "name": name,
        "label": plain_label(method.label),
        "family": str(method.family),
        "color": method.color,
        "symbol": svg_path(method.marker),
        "dynamic": method.dynamic,
        "soft": method.family is Family.SOFT,
        # In a schedule of its own a method may keep less than in the paper's stages.
        "least": "0" if name in view.scheduled else method.min_keep_rate,
    }


def _dataset(shown: ShownDataset, view: View, order: NDArray[Any]) -> dict[str, object]:
    labels = shown.labels
    images = [
        {
            "id": shown.ids[i],
            "labels": [int(labels[i])] if labels.ndim == 1 else np.flatnonzero(labels[i]).tolist(),
            "src": shown.pictures[i],
        }
        for i in order
    ]
    facts = {"name": shown.name, "label": view.datasets[shown.name], "task": shown.task}
    return {**facts, "classes": list(shown.classes), "total": shown.total, "images": images}


def _scores(content: Content) -> list[dict[str, object]]:
    """One entry per run: its scores, its agreement with the unreduced model and its GMACs."""
    run = ["dataset", "backbone", "method", "keep_rate", "seed"]
    shares = content.agreement[[*run, "mean"]].rename(columns={"mean": "agreement"})
    rows = content.scores.merge(shares, on=run, how="left", validate="1:1")
    rows = rows.merge(content.macs[[*run, "total"]], on=run, how="left", validate="1:1")
    numbers = {
        "score": rows["score"],
        "std_error": rows["std_error"],
        "loss": rows["loss"],
        "agreement": 100 * rows["agreement"],
        "gmacs": rows["total"] / 1e9,
    }
    identities = rows[[*run, "metric", "n"]].to_dict("records")
    return [
        {**identity, **{name: _number(value) for name, value in zip(numbers, values, strict=True)}}
        for identity, values in zip(identities, zip(*numbers.values(), strict=True), strict=True)
    ]


def _maps(rows: pd.DataFrame) -> dict[str, list[float | None]]:
    """Depth of every token in raster order, by run."""
    names = ["dataset", "backbone", "method", "keep_rate"]
    groups: Iterable[tuple[tuple[str, ...], pd.Series]] = rows.sort_values("token").groupby(names)["depth"]
    return {"/".join(identity): [_number(value, 3) for value in depth] for identity, depth in groups}


def _number(value: float, digits: int = 12) -> float | None:
    """Rounded value; None if it is not finite, since JSON has no NaN."""
    return round(float(value), digits) if math.isfinite(value) else None
