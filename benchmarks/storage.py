"""Bytes per image of stored patterns, three stages of 196 tokens.

Patterns of the real methods in a DeiT-T with random weights, on pieces of photographs (`benchmarks.photos`):
patterns of trained models are no less regular than these.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.photos import model, pieces, traces
from benchmarks.row import Goal, Row, Scale
from benchmarks.study import RATES, lists, runs
from benchmarks.synthetic import STAGES, TOKENS
from tokred.methods.registry import METHODS
from tokred.run import Run
from tokred.tables import batch_writer
from tokred.tables.patterns import numbered_clusters, pattern_schema, survived_stages

_KEPT, _CLUSTERS = Goal("<=", 60), Goal("<=", 400)


def measure(scale: Scale) -> Iterator[Row]:
    """Means over methods and the paper's keep rates, and the largest of them."""
    torch.set_num_threads(1)
    images = pieces(scale.of(32, 4))
    rates = RATES[2:3] if scale.tiny else RATES
    sizes: dict[str, dict[str, float]] = {"survived": {}, "cluster": {}}
    for run in runs(rates)[1:]:
        if scale.tiny and run.method not in ("topk", "tome"):
            continue
        stored = columns(run, images, scale.folder / "patterns.parquet")
        for part, of_part in sizes.items():
            if any(name.startswith(part) for name in stored):
                of_part[f"{run.method} {run.keep_rate}"] = _sum(stored, part)
    yield from _rows("kept sets", sizes["survived"], _KEPT)
    yield from _rows("clusters", sizes["cluster"], _CLUSTERS)


def columns(run: Run, images: torch.Tensor, path: Path) -> dict[str, float]:
    """Bytes per image of every column of a run's patterns."""
    method = METHODS[run.method]
    schema = pattern_schema(TOKENS, STAGES, kept=method.kept, clusters=method.clusters, margin=False)
    schema = pa.schema([field for field in schema if pa.types.is_fixed_size_list(field.type)])
    with batch_writer.open_writer(path, schema, {}) as writer:
        for trace in traces(model(run.method, run.keep_rate), images):
            anchors = [stage.anchor.numpy() for stage in trace.stages]
            clusters = [numbered_clusters(stage.assign.numpy()) for stage in trace.stages]
            found = {f"cluster_{s}": lists(numbers) for s, numbers in enumerate(clusters, 1)}
            found["survived"] = lists(survived_stages(anchors, TOKENS))
            writer.add({name: found[name] for name in schema.names})
    return _stored(path, len(images))


def _stored(path: Path, images: int) -> dict[str, float]:
    facts = pq.read_metadata(path)
    sizes: dict[str, float] = {}
    for group in range(facts.num_row_groups):
        for index in range(facts.num_columns):
            column = facts.row_group(group).column(index)
            name = column.path_in_schema.partition(".")[0]
            sizes[name] = sizes.get(name, 0) + column.total_compressed_size / images
    return sizes


def _sum(stored: Mapping[str, float], part: str) -> float:
    return sum(size for name, size in stored.items() if name.startswith(part))


def _rows(part: str, sizes: Mapping[str, float], goal: Goal) -> Iterator[Row]:
    mean, most = statistics.mean(sizes.values()), max(sizes, key=sizes.get)
    yield Row(f"{part}, mean of methods and keep rates", mean, "bytes", goal, f"{len(sizes)} runs")
    yield Row(f"{part}, the most", sizes[most], "bytes", goal, most)
