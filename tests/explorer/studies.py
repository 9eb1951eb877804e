"""Made-up studies on disk, written by the project's own writers, of any shape."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from tokred.data.info import Row, TableInfo
from tokred.data.writing import write
from tokred.methods.registry import METHODS, Family
from tokred.metrics.depth import block_counts, count_levels
from tokred.run import Run
from tokred.schedules.budget import token_budget
from tokred.study.view import View
from tokred.tables import batch_writer, parquet, patterns, schemas

ALL = tuple(name for name in METHODS if name != "none")
FEW = ("l1", "topk", "ats", "tome", "kmedoids", "sinkhorn")


@dataclass
class Made:
    """A study on disk: its view, and the inputs of the explorer's job."""

    folder: Path
    view: View
    inputs: dict[str, list[str]] = field(default_factory=dict)

    def path(self, stage: str, run: Run) -> Path:
        return self.folder / stage / f"{run.key}.parquet"


def view(**changes: object) -> View:
    """A small study; `changes` replace its fields."""
    small = View(
        study="made_up",
        datasets={"one": "One", "several": "Several"},
        backbones={"small": "Small", "large": "Large"},
        methods=FEW,
        keep_rates=("0.40", "0.70"),
        seeds=(0,),
        locations=(3, 6, 9),
        grid=(4, 4),
        depth=12,
    )
    return replace(small, **changes)


def runs(view: View, dataset: str) -> Iterator[Run]:
    for backbone in view.backbones:
        for method in ("none", *view.methods):
            rates = [rate for rate in view.keep_rates if METHODS[method].can_keep(rate)]
            for rate in ["1.00"] if method == "none" else rates:
                for seed in view.seeds:
                    yield Run(dataset, backbone, method, rate, seed)


def make(folder: Path, view: View, *, images: int = 12, size: int = 8, classes: tuple[str, ...] = ()) -> Made:
    """Write a study whose data set "several" has several labels an image; a token is `size` pixels wide."""
    names = ("datasets", "patterns", "predictions", "scores", "agreement", "macs", "depth")
    made = Made(folder, view, {name: [] for name in names})
    classes = classes or tuple(f"class {index}" for index in range(5))
    for number, dataset in enumerate(view.datasets):
        rng = np.random.default_rng(number)
        task = "multi" if dataset == "several" else "single"
        rows = list(_images(rng, dataset, task, images, len(classes), view, size))
        path = folder / f"datasets/{dataset}/test.parquet"
        write(path, TableInfo(dataset, "test", task, classes), rows)
        made.inputs["datasets"].append(str(path))
        for run in runs(view, dataset):
            _write_run(made, run, rows, task, len(classes))
    return made


def _images(
    rng: np.random.Generator, dataset: str, task: str, images: int, classes: int, view: View, size: int
) -> Iterator[Row]:
    """Pictures in which every token has a distinct color, neither dark nor light."""
    for index in range(images):
        colors = rng.integers(60, 160, (*view.grid, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(colors).resize((view.grid[1] * size, view.grid[0] * size), 0).save(buffer, "PNG")
        several = sorted(rng.permutation(classes)[: index % 3].tolist())
        label = several if task == "multi" else index % classes
        yield Row(f"{dataset}-{index:03d}", buffer.getvalue(), f"{index}.png", label)


def _write_run(made: Made, run: Run, rows: list[Row], task: str, classes: int) -> None:
    view, ids = made.view, [row.image_id for row in rows]
    rng = np.random.default_rng(run.seed_for("made up"))
    facts = {"run": asdict(run), "locations": view.locations, "grid": view.grid, "depth": view.depth}
    columns = {name: pa.array([value] * len(ids)) for name, value in asdict(run).items()}
    columns["image_id"] = pa.array(ids)
    survived, clusters = pattern(rng, run, view, len(ids))
    _write_patterns(made, run, columns, facts, survived, clusters, rng)
    logits = rng.normal(size=(len(ids), classes)).astype(np.float32)
    fields = [
        *schemas.identity_fields(),
        ("image_id", pa.string()),
        ("logits", pa.list_(pa.float32(), classes)),
    ]
    schema = pa.schema(fields, metadata=parquet.kind("predictions"))
    with batch_writer.open_writer(made.path("predictions", run), schema, facts) as writer:
        writer.add({**columns, "logits": lists(logits)})
    score = {"metric": "map" if task == "multi" else "top1", "score": rng.uniform(20, 90), "n": len(ids)}
    score |= {"std_error": 0.5, "loss": rng.uniform(0, 2)}
    schemas.write_rows(made.path("scores", run), [{**asdict(run), **score}], schemas.SCORES, facts)
    made.inputs["scores"].append(str(made.path("scores", run)))
    total = (4e8 if run.backbone == "small" else 2e9) * float(run.keep_rate) * rng.uniform(0.9, 1.1)
    parts = {"embedding": 0.1, "attention": 0.3, "mlp": 0.5, "head": 0.1, "total": 1.0}
    costs = {name: total * part for name, part in parts.items()} | {"of_images": False}
    schemas.write_rows(made.path("macs", run), [{**asdict(run), **costs}], schemas.MACS)
    made.inputs["macs"].append(str(made.path("macs", run)))
    if run.method != "none":
        share = {"metric": "label_agreement", "mean": rng.random(), "std": 0.4, "n": len(ids)}
        schemas.write_rows(made.path("agreement", run), [{**asdict(run), **share}], schemas.AGREEMENT)
        made.inputs["agreement"].append(str(made.path("agreement", run)))
    if run.seed == view.seeds[0]:
        made.inputs["patterns"].append(str(made.path("patterns", run)))
        made.inputs["predictions"].append(str(made.path("predictions", run)))
        if survived is not None:
            levels = count_levels(survived, len(view.locations) + 1)
            depth = levels.depth_map(block_counts(view.locations, view.depth))
            depth_rows = [{**asdict(run), "token": t, "depth": float(d)} for t, d in enumerate(depth)]
            schemas.write_rows(made.path("depth", run), depth_rows, schemas.DEPTH)
            made.inputs["depth"].append(str(made.path("depth", run)))


def _write_patterns(
    made: Made,
    run: Run,
    columns: dict[str, pa.Array],
    facts: dict[str, object],
    survived: NDArray | None,
    clusters: list[NDArray] | None,
    rng: np.random.Generator,
) -> None:
    view = made.view
    soft = METHODS[run.method].family is Family.SOFT
    parts = {"kept": survived is not None, "clusters": clusters is not None, "margin": soft}
    schema = patterns.pattern_schema(int(np.prod(view.grid)), len(view.locations), **parts)
    values = {} if survived is None else {"survived": survived}
    values |= {f"cluster_{stage}": assigned for stage, assigned in enumerate(clusters or [], 1)}
    if soft:
        values["margin"] = rng.random((len(columns["image_id"]), len(view.locations))).astype(np.float32)
    arrays = {name: lists(value).cast(schema.field(name).type) for name, value in values.items()}
    with batch_writer.open_writer(made.path("patterns", run), schema, facts) as writer:
        writer.add({**columns, **arrays})


def lists(values: NDArray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def pattern(
    rng: np.random.Generator, run: Run, view: View, images: int
) -> tuple[NDArray | None, list[NDArray] | None]:
    """Nested kept sets and growing clusters; None for parts that the method does not have."""
    method, tokens, stages = METHODS[run.method], int(np.prod(view.grid)), len(view.locations)
    if method.family is Family.NONE:
        return np.full((images, tokens), stages, dtype=np.uint8), None
    budgets = [token_budget(tokens, run.keep_rate, stage) for stage in range(1, stages + 1)]
    salience = _smooth(rng, view, images)
    rank = (-salience).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    survived = sum((rank < budget).astype(np.uint8) for budget in budgets)
    if method.dynamic:  # fewer than it may, another number in every image
        survived[:, 0] = np.where(np.arange(images) % 2, 0, survived[:, 0])
    clusters = _clusters(rng, rank, budgets, view) if method.clusters else None
    return (survived if method.kept else None), clusters


def _smooth(rng: np.random.Generator, view: View, images: int) -> NDArray:
    """(images, P) values, alike at places that are near."""
    rows, columns = view.grid
    coarse = rng.normal(size=(images, 4, 4)).astype(np.float32)
    fine = [np.asarray(Image.fromarray(c).resize((columns, rows), Image.Resampling.BICUBIC)) for c in coarse]
    return np.stack(fine).reshape(images, -1) + 0.15 * rng.normal(size=(images, rows * columns))


def _clusters(rng: np.random.Generator, rank: NDArray, budgets: list[int], view: View) -> list[NDArray]:
    """Each token goes to the nearest of a stage's centers; centers follow those that they go to later."""
    rows, columns = np.mgrid[: view.grid[0], : view.grid[1]]
    places = np.stack([rows.ravel(), columns.ravel()], axis=1)
    stages, holder = [], np.tile(np.arange(rank.shape[1]), (len(rank), 1))
    for budget in budgets:
        stage = np.empty_like(holder)
        for image, ranks in enumerate(rank):
            centers = np.flatnonzero(ranks < budget)
            distance = ((places[:, None] - places[centers]) ** 2).sum(axis=-1)
            nearest = distance.argmin(axis=1)
            stage[image] = nearest[holder[image]]
            holder[image] = centers[stage[image]]
        stages.append(stage.astype(np.int16))
    return stages


#: Names that would leave their place in a page that escapes nothing.
NASTY = ("</script><script>window.hacked = 1</script>", "<!--<script>", "\"'&amp;", "{{script}}", "\u2028é")


def payload_of(path: Path) -> dict:
    """The data that a page carries."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.S)
    return json.loads(text)
