"""A study of unrelated patterns: every run keeps tokens and merges them at random, in the right numbers.

Its pattern tables go through the project's own comparisons, as the workflow runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.study import facts, lists, write_features
from benchmarks.synthetic import STAGES, TOKENS
from tokred.claims import TABLES as CLAIMED
from tokred.comparison.job import make
from tokred.methods.registry import METHODS, Family
from tokred.run import RUN_COLUMNS, UNREDUCED, UNREDUCED_RATE, Run
from tokred.schedules.budget import token_budget
from tokred.study.view import View
from tokred.tables import batch_writer, schemas
from tokred.tables.patterns import numbered_clusters, pattern_schema
from tokred.tables.registry import TABLES

#: Images, and the width of their features.
IMAGES, WIDTH = 40, 8


def study_of_unrelated_patterns(folder: Path, view: View) -> dict[str, pd.DataFrame]:
    """All tables that claims read."""
    made = {name: [] for name in CLAIMED}
    for dataset in view.datasets:
        of_dataset = []
        for backbone in view.backbones:
            runs = list(_runs(view, dataset, backbone))
            patterns = [_write(folder, run) for run in runs if METHODS[run.method].target]
            features = [write_features(folder, run, IMAGES, WIDTH) for run in runs]
            scores = _write_scores(folder / f"{dataset}_{backbone}_scores.parquet", runs)
            of_dataset += patterns
            slice_ = folder / dataset / backbone
            for axis in ("keep_rates", "fixed", "methods"):
                made.setdefault(axis, []).append(_compared(axis, patterns, slice_))
            pairs = [made["methods"][-1], _compared("features", features, slice_)]
            made["proxies"].append(str(slice_ / "proxies.parquet"))
            inputs = {"scores": [scores], "methods": pairs[:1], "features": pairs[1:]}
            make(TABLES["proxies"].target, {"proxies": made["proxies"][-1]}, inputs)
            made["scores"].append(scores)
            summary, depth = (str(slice_ / f"{name}.parquet") for name in ("summary", "depth"))
            outputs = {"summary": summary, "depth": depth}
            make(TABLES["summary"].target, outputs, {"patterns": patterns})
            made["summary"].append(summary)
            made["depth"].append(depth)
        made["backbones"].append(_compared("backbones", of_dataset, folder / dataset))
    made["datasets"].append(str(folder / "datasets.parquet"))
    outputs, inputs = {"datasets": made["datasets"][0]}, {"depth": made["depth"]}
    make(TABLES["datasets"].target, outputs, inputs, {"grid": view.grid})
    return {name: schemas.read(made[name], TABLES[name].columns) for name in CLAIMED}


def _runs(view: View, dataset: str, backbone: str) -> Iterator[Run]:
    yield Run(dataset, backbone, UNREDUCED, UNREDUCED_RATE, 0)
    for method in view.methods:
        for rate in view.keep_rates:
            if METHODS[method].can_keep(rate):
                yield Run(dataset, backbone, method, rate, 0)


def _compared(axis: str, files: Iterable[str], folder: Path) -> str:
    path = str(folder / f"{axis}.parquet")
    table = TABLES[axis]
    make(table.target, {axis: path}, {table.inputs[0]: list(files)})
    return path


def _write(folder: Path, run: Run) -> str:
    """Random patterns of a run."""
    method, rng = METHODS[run.method], np.random.default_rng(run.seed_for("unrelated"))
    budgets = [token_budget(TOKENS, run.keep_rate, stage) for stage in range(1, STAGES + 1)]
    parts = {"survived": _survived(rng, budgets, method.dynamic)} if method.kept else {}
    if method.clusters:
        parts |= {f"cluster_{s}": labels for s, labels in enumerate(_clusters(rng, budgets), 1)}
    soft = method.family is Family.SOFT
    if soft:
        parts["margin"] = rng.random((IMAGES, STAGES), dtype=np.float32)
    schema = pattern_schema(TOKENS, STAGES, kept=method.kept, clusters=method.clusters, margin=soft)
    columns = {name: pa.array([getattr(run, name)] * IMAGES) for name in RUN_COLUMNS}
    columns["image_id"] = pa.array([f"ILSVRC2012_val_{number:08d}" for number in range(1, IMAGES + 1)])
    path = folder / f"patterns/{run.key}.parquet"
    with batch_writer.open_writer(path, schema, facts(run)) as writer:
        writer.add(columns | {name: lists(values) for name, values in parts.items()})
    return str(path)


def _survived(rng: Generator, budgets: list[int], dynamic: bool) -> NDArray:
    """Nested random sets; a dynamic method has only a part of its budget, which falls over stages."""
    order = rng.permuted(np.tile(np.arange(TOKENS), (IMAGES, 1)), axis=1)
    survived = np.zeros((IMAGES, TOKENS), dtype=np.uint8)
    share = np.ones((IMAGES, 1))
    for budget in budgets:
        share = share * rng.uniform(0.7, 0.9, share.shape) if dynamic else share
        survived += order < np.maximum(1, np.floor(budget * share))
    return survived


def _clusters(rng: Generator, budgets: list[int]) -> list[NDArray]:
    """Random clusters of which none is empty, those of a stage merged at random into those of the next."""
    found, labels, before = [], np.tile(np.arange(TOKENS), (IMAGES, 1)), TOKENS
    for budget in budgets:
        merge = np.concatenate(
            [np.tile(np.arange(budget), (IMAGES, 1)), rng.integers(0, budget, (IMAGES, before - budget))],
            axis=1,
        )
        labels = np.take_along_axis(rng.permuted(merge, axis=1), labels, axis=1)
        found.append(numbered_clusters(labels).astype(np.int16))
        before = budget
    return found


def _write_scores(path: Path, runs: Iterable[Run]) -> str:
    rng = np.random.default_rng(next(iter(runs)).seed_for("scores"))
    fixed = {"metric": "top1", "std_error": 0.5, "loss": 1.0, "n": IMAGES}
    schemas.write_rows(
        path, [vars(run) | fixed | {"score": rng.uniform(40, 80)} for run in runs], schemas.SCORES
    )
    return str(path)
