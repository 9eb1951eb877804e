"""Build the page from a study's result files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.comparison.runs import RunFile, open_runs
from tokred.data.image_table import ImageTable
from tokred.data.resize import Framing, resize_center_crop
from tokred.explorer import pictures, selection
from tokred.explorer.page import render
from tokred.explorer.payload import Content, ShownDataset, ShownRun
from tokred.files import atomic_path
from tokred.study.view import View
from tokred.tables import parquet, patterns, schemas
from tokred.tables.patterns import Patterns

log = logging.getLogger(__name__)

#: Maximum number of images per data set.
IMAGES = 36
#: Maximum size of the page in bytes.
LIMIT = 10_000_000


def build(
    view: Mapping[str, object],
    framing: Mapping[str, Framing],
    inputs: Mapping[str, Sequence[str]],
    outputs: Mapping[str, str],
    images: int = IMAGES,
    limit: int = LIMIT,
) -> None:
    """Write the page.

    Args:
        view: fields of the `View`.
        framing: the evaluation transform's crop, for data sets whose images do not have the backbones' size.
        inputs: files of the "datasets" (test splits), of the "patterns" and "predictions" of the runs of one
            seed, of their "depth" maps, and of the "scores", "agreement" and "macs" of all runs.
        outputs: path of the "page".
        images: maximum number of images per data set; fewer are shown if the page would be too large.
        limit: maximum size of the page in bytes.
    """
    content = read_content(View.of(view), framing, inputs, images)
    count, page = render_within(content, images, limit)
    with atomic_path(outputs["page"]) as temporary:
        temporary.write_bytes(page)
    log.info("%s: up to %d images per data set, %d bytes", outputs["page"], count, len(page))


def render_within(content: Content, images: int, limit: int) -> tuple[int, bytes]:
    """Render the page with as many images per data set as fit; returns their number and the page.

    Raises:
        ValueError: the page exceeds the limit even with one image per data set.
    """
    count = images
    while count >= 1:
        page = render(content.view.study, content.payload(count))
        if len(page) <= limit:
            return count, page
        count = min(count - 1, count * limit // len(page))
    raise ValueError(
        f"explorer of study {content.view.study!r}: {len(page)} bytes with the fewest images, "
        f"expected at most {limit}; a study with fewer runs needs less"
    )


def read_content(
    view: View,
    framing: Mapping[str, Framing],
    inputs: Mapping[str, Sequence[str]],
    images: int,
) -> Content:
    """Read everything that the page may show.

    Raises:
        ValueError: files have different grids, images or seeds.
    """
    datasets = {}
    for path in inputs["datasets"]:
        table = ImageTable(path)
        name = table.info.dataset
        if name not in view.datasets or table.info.split != "test":
            raise ValueError(
                f"{path}: contains split {table.info.split!r} of data set {name!r}, expected split 'test' of "
                f"one of {', '.join(view.datasets)}"
            )
        datasets[name] = _shown(table, framing.get(name), view.grid, images)
    predictions = {file.run: file.path for file in open_runs(inputs["predictions"])}
    runs = []
    for file in open_runs(inputs["patterns"]):
        _check(file, view)
        ids = datasets[file.run.dataset].ids
        runs.append(ShownRun(file.run, _patterns(file, ids), _logits(predictions[file.run], ids)))
    return Content(
        view,
        {name: datasets[name] for name in view.datasets},
        runs,
        schemas.read(inputs["scores"], schemas.SCORES),
        schemas.read(inputs["agreement"], schemas.AGREEMENT),
        schemas.read(inputs["macs"], schemas.MACS),
        schemas.read(inputs["depth"], schemas.DEPTH),
    )


def _shown(table: ImageTable, framing: Framing | None, grid: tuple[int, int], images: int) -> ShownDataset:
    rows = selection.preference_order(table.image_ids, table.labels)[:images]
    images_shown = [table.image(row) for row in rows]
    if framing is not None:
        images_shown = [resize_center_crop(image, **framing) for image in images_shown]
    return ShownDataset(
        name=table.info.dataset,
        task=table.info.task,
        classes=table.info.classes,
        total=len(table),
        ids=table.image_ids[rows].tolist(),
        labels=table.labels[rows],
        pictures=[pictures.data_uri(image, grid) for image in images_shown],
    )


def _check(file: RunFile, view: View) -> None:
    if file.facts["grid"] != list(view.grid):
        raise ValueError(f"{file.path}: grid {file.facts['grid']}, expected the study's {list(view.grid)}")
    if file.run.seed != view.seeds[0]:
        raise ValueError(f"{file.path}: seed {file.run.seed}, expected the study's first, {view.seeds[0]}")


def _patterns(file: RunFile, ids: Sequence[str]) -> Patterns:
    """Patterns of the given images, in their order."""
    stored = patterns.read(file.path)
    rows = _rows(file.path, stored.image_ids, ids)
    return Patterns(
        image_ids=stored.image_ids[rows],
        survived=None if stored.survived is None else stored.survived[rows],
        clusters=None if stored.clusters is None else [stage[rows] for stage in stored.clusters],
        margin=None if stored.margin is None else stored.margin[rows],
    )


def _logits(path: str, ids: Sequence[str]) -> NDArray[Any]:
    with parquet.opened(path, "predictions", ["image_id", "logits"]) as file:
        table = file.read(columns=["image_id", "logits"])
    rows = _rows(path, table["image_id"].to_numpy(zero_copy_only=False), ids)
    return patterns.fixed_lists(table, "logits")[rows]


def _rows(path: str, stored: NDArray[Any], ids: Sequence[str]) -> NDArray[Any]:
    """Row numbers of images in a table."""
    row_of = {image_id: row for row, image_id in enumerate(stored)}
    missing = [image_id for image_id in ids if image_id not in row_of]
    if missing:
        raise ValueError(f"{path}: image {missing[0]!r} of the data set is missing; extract again")
    return np.array([row_of[image_id] for image_id in ids])
