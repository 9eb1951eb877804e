"""A synthetic study on disk, in the formats of tokred: patterns and features of many runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.synthetic import SIDE, STAGES, TOKENS, clusters, survivors
from tokred.methods.registry import METHODS, PAPER, Family
from tokred.run import RUN_COLUMNS, UNREDUCED, UNREDUCED_RATE, Run
from tokred.tables import batch_writer, parquet, schemas
from tokred.tables.patterns import pattern_schema

#: Keep rates of the paper.
RATES = ("0.25", "0.50", "0.70", "0.90")
#: Different patterns of a run: more images have these again, in another order.
_DISTINCT = 2048
#: Images written at a time.
_BATCH = 4096


def runs(rates: tuple[str, ...] = RATES) -> list[Run]:
    """The paper's methods and keep rates, with one data set and backbone."""
    pairs = [(name, rate) for name in PAPER for rate in rates if METHODS[name].can_keep(rate)]
    return [Run("imagenet", "deit_small", *pair, 0) for pair in [(UNREDUCED, UNREDUCED_RATE), *pairs]]


def facts(run: Run) -> dict[str, object]:
    """Metadata of a run's tables, as far as comparisons need it."""
    return {"run": asdict(run), "locations": [3, 6, 9], "grid": [SIDE, SIDE], "depth": 12}


def write_patterns(folder: Path, run: Run, images: int) -> str:
    """Path of a table of a run's patterns."""
    method, rng = METHODS[run.method], _generator(run)
    rate = run.keep_rate
    kept, soft = method.kept or not method.target, method.family is Family.SOFT
    distinct = min(images, _DISTINCT)
    parts = {"survived": survivors(rng, distinct, rate)} if kept else {}
    if method.clusters:
        parts |= {f"cluster_{s}": labels for s, labels in enumerate(clusters(rng, distinct, rate), 1)}
    if soft:
        parts["margin"] = rng.random((distinct, STAGES), dtype=np.float32)
    schema = pattern_schema(TOKENS, STAGES, kept=kept, clusters=method.clusters, margin=soft)
    path = folder / f"patterns/{run.key}.parquet"
    with batch_writer.open_writer(path, schema, facts(run)) as writer:
        for ids in _batches(images):
            chosen = rng.integers(0, distinct, len(ids))
            writer.add(_identity(run, ids) | {name: lists(values[chosen]) for name, values in parts.items()})
    return str(path)


def write_features(folder: Path, run: Run, images: int, width: int) -> str:
    """Path of a table of a run's CLS features, which are correlated between runs."""
    rng, shared = _generator(run), np.random.default_rng(0)
    names = [f"cls_{stage}" for stage in range(1, STAGES + 2)]
    cls = pa.list_(pa.float32(), width)
    identity = [*schemas.identity_fields(), ("image_id", pa.string())]
    schema = pa.schema([*identity, *((name, cls) for name in names)], metadata=parquet.kind("features"))
    path = folder / f"features/{run.key}.parquet"
    with batch_writer.open_writer(path, schema, facts(run)) as writer:
        for ids in _batches(images):
            shape = (len(ids), width)
            common = shared.standard_normal(shape, dtype=np.float32)
            own = {name: common + rng.standard_normal(shape, dtype=np.float32) for name in names}
            writer.add(_identity(run, ids) | {name: lists(values) for name, values in own.items()})
    return str(path)


def lists(values: NDArray) -> pa.Array:
    """(n, size) values as a column of lists."""
    return pa.FixedSizeListArray.from_arrays(np.ascontiguousarray(values).reshape(-1), values.shape[1])


def _generator(run: Run) -> Generator:
    return np.random.default_rng(run.seed_for("benchmark"))


def _batches(images: int) -> Iterator[list[str]]:
    """Ids of the images, batch by batch, like ImageNet's."""
    for start in range(0, images, _BATCH):
        numbers = range(start + 1, min(start + _BATCH, images) + 1)
        yield [f"ILSVRC2012_val_{number:08d}" for number in numbers]


def _identity(run: Run, ids: list[str]) -> dict[str, pa.Array]:
    columns = {name: pa.array([getattr(run, name)] * len(ids)) for name in RUN_COLUMNS}
    return columns | {"image_id": pa.array(ids)}
