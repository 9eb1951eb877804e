"""Schemas of all tables that tokred writes, and the functions that read and write them.

Tables are Parquet (zstd); those that do not fit into memory are written by `tokred.tables.batch_writer`.
Long ("tidy") tables start with the identity columns of `tokred.run.Run`. A file is written beside its
final name and renamed, so that a partial file never looks complete. `tokred.tables.parquet` describes the
metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tokred.files import atomic_path
from tokred.run import RUN_COLUMNS
from tokred.tables import parquet
from tokred.tables.parquet import with_metadata

if TYPE_CHECKING:
    import pandas as pd

_TEXT = pa.dictionary(pa.int32(), pa.string())
_IDENTITY = [(name, pa.int64() if name == "seed" else _TEXT) for name in RUN_COLUMNS]
_OTHER = [(f"other_{name}", kind) for name, kind in _IDENTITY]
_STATISTICS = [("mean", pa.float64()), ("std", pa.float64()), ("n", pa.int64())]

#: One row per run: performance in percent (top-1 accuracy or mean average precision) on `n` test images, and
#: its standard error over images (bootstrap).
SCORES = pa.schema(
    [
        *_IDENTITY,
        ("metric", _TEXT),
        ("score", pa.float64()),
        ("std_error", pa.float64()),
        ("loss", pa.float64()),
        ("n", pa.int64()),
    ],
    metadata=parquet.kind("scores"),
)
#: One row per run, corruption of the test images and severity (`tokred.settings.corruption`): performance as
#: in `SCORES`.
ROBUSTNESS = pa.schema(
    [
        *_IDENTITY,
        ("corruption", _TEXT),
        ("severity", pa.int8()),
        ("metric", _TEXT),
        ("score", pa.float64()),
        ("std_error", pa.float64()),
        ("n", pa.int64()),
    ],
    metadata=parquet.kind("robustness"),
)
#: One row per run on a data set with one label per image, all values in percent: expected calibration error;
#: the error that a perfectly calibrated model with the same confidences would have on these `n` images; mean
#: confidence; top-1 accuracy (`tokred.metrics.calibration`).
CALIBRATION = pa.schema(
    [
        *_IDENTITY,
        ("calibration_error", pa.float64()),
        ("if_calibrated", pa.float64()),
        ("confidence", pa.float64()),
        ("accuracy", pa.float64()),
        ("n", pa.int64()),
    ],
    metadata=parquet.kind("calibration"),
)
#: One row per run and epoch.
HISTORY = pa.schema(
    [
        *_IDENTITY,
        ("epoch", pa.int64()),
        ("lr", pa.float64()),
        ("train_loss", pa.float64()),
        ("extra_loss", pa.float64()),
        ("val_score", pa.float64()),
        ("val_score_ema", pa.float64()),
        ("seconds", pa.float64()),
    ],
    metadata=parquet.kind("history"),
)
#: One row per run, stage and metric of single patterns: "actual_keep_rate", "non_empty_clusters" (clusters
#: that have tokens / K), "margin" (stage 1..S) and "depth" (stage 0: the whole pattern); mean and std over
#: images.
SUMMARY = pa.schema(
    [*_IDENTITY, ("stage", pa.int8()), ("metric", _TEXT), *_STATISTICS], metadata=parquet.kind("summary")
)
#: One row per run with reduction and stage: "object_recall", or "object_purity" of a merging method
#: (`tokred.metrics.objects`); mean and std over `n` images. `chance`: the mean that random patterns of the
#: same sizes would have. `left_out`: images without a token that shows the object.
OBJECT_RECALL = pa.schema(
    [
        *_IDENTITY,
        ("stage", pa.int8()),
        ("metric", _TEXT),
        *_STATISTICS,
        ("chance", pa.float64()),
        ("left_out", pa.int64()),
    ],
    metadata=parquet.kind("object_recall"),
)
#: One row per run with reduction: "label_agreement", the share of an image's k top labels that the unreduced
#: model has as well, where k is the image's number of labels (one label: the same top-1 prediction); mean and
#: std over the `n` images that have labels.
AGREEMENT = pa.schema([*_IDENTITY, ("metric", _TEXT), *_STATISTICS], metadata=parquet.kind("agreement"))
#: One row per run and input token (raster order): number of blocks that the token passes through, mean over
#: images.
DEPTH = pa.schema(
    [*_IDENTITY, ("token", pa.int32()), ("depth", pa.float64())], metadata=parquet.kind("depth")
)
#: One row per pair of runs, stage and metric. `stage` is 1..S, S + 1 for features of the last block,
#: 0 for metrics of whole patterns. `mean`, `std` over `n` images; std is null for metrics that have one
#: value per data set. `bound`: lower bound of the metric, null where there is none. `chance`: the mean that
#: unrelated patterns of the same sizes would have, null for metrics of maps and features. `degenerate`:
#: whether the value is meaningless, as in more than half of the images one of the patterns is the same for
#: every permutation of its tokens (one cluster, or a cluster for every token; all tokens kept, or none).
#: `dropped`: number of null directions of the features of both runs that were left out; null for metrics that
#: leave out none.
PAIRS = pa.schema(
    [
        *_IDENTITY,
        *_OTHER,
        ("stage", pa.int8()),
        ("metric", _TEXT),
        *_STATISTICS,
        ("bound", pa.float64()),
        ("chance", pa.float64()),
        ("degenerate", pa.bool_()),
        ("dropped", pa.int32()),
    ],
    metadata=parquet.kind("pairs"),
)
#: One row per data set, backbone, keep rate, seed, reference method A, measure d, stage and kind of
#: correlation ("spearman", "kendall") between f(A) - f(B) and d(A, B) over `n` methods B, where f is the
#: performance (paper section 5.5).
PROXIES = pa.schema(
    [
        *_IDENTITY,  # `method` is the reference method
        ("measure", _TEXT),
        ("stage", pa.int8()),
        ("correlation", _TEXT),
        ("value", pa.float64()),
        ("n", pa.int64()),
    ],
    metadata=parquet.kind("proxies"),
)
#: One row per run: multiply-accumulates of one image by component and in total, as publications count them
#: (`tokred.schedules.macs`): the whole last block, and nothing for the reduction itself. `of_images`: whether
#: they are the mean over the numbers of tokens that the method kept of each test image; otherwise the numbers
#: are those of the schedule, which for a method of variable numbers are the most.
MACS = pa.schema(
    [
        *_IDENTITY,
        *((name, pa.float64()) for name in ("embedding", "attention", "mlp", "head", "total")),
        ("of_images", pa.bool_()),
    ],
    metadata=parquet.kind("macs"),
)
#: One row per backbone, method, keep rate and batch size: what a pass of `batch_size` images takes, measured
#: in turn with the unreduced model, and the conditions. Seconds of a pass: median, 95th percentile and
#: interquartile range (`low`, `high`) of `repeats`; `images_per_second` at the median. `speedup`: the
#: unreduced model's time divided by this one's, median and interquartile range over rounds. `memory`: bytes
#: of parameters and of all that a pass allocates. `reduction_share`: fraction of a pass in the method's
#: stages; null for the unreduced model. `training_seconds`: median of training steps, in turn with the
#: unreduced model's, over which `training_speedup` is; null at batch sizes at which none was measured.
#: `macs_*`: executed multiply-accumulates of one image by component (`tokred.efficiency.counting`), and in
#: total; `macs_published`: the total as publications count it. `real_images`: whether test images and trained
#: weights were used, or noise and random weights (on which only the times of methods with a variable number
#: of tokens depend). Batch sizes that do not fit into memory have no row.
EFFICIENCY = pa.schema(
    [
        *((name, _TEXT) for name in ("backbone", "method", "keep_rate")),
        ("batch_size", pa.int64()),
        *((f"seconds{part}", pa.float64()) for part in ("", "_p95", "_low", "_high")),
        ("images_per_second", pa.float64()),
        *((f"speedup{part}", pa.float64()) for part in ("", "_low", "_high")),
        *(
            (name, pa.float64())
            for name in ("memory", "reduction_share", "training_seconds", "training_speedup")
        ),
        ("parameters", pa.float64()),
        *((f"macs_{name}", pa.float64()) for name in ("embedding", "attention", "mlp", "reduction", "head")),
        *((f"macs_{name}", pa.float64()) for name in ("executed", "published")),
        ("real_images", pa.bool_()),
        ("repeats", pa.int64()),
        *((name, _TEXT) for name in ("device", "processor")),
        ("threads", pa.int64()),
        *((name, _TEXT) for name in ("torch", "timm", "tokred", "precision")),
        *((name, pa.bool_()) for name in ("compiled", "fused_attention")),
        ("image", _TEXT),
        ("channels_last", pa.bool_()),
        ("date", _TEXT),
    ],
    metadata=parquet.kind("efficiency"),
)
#: One row per example picture of a data set: its index (`place`), id, names of its classes, encoded bytes.
PICTURES = pa.schema(
    [
        ("dataset", _TEXT),
        ("place", pa.int32()),
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("image", pa.binary()),
    ],
    metadata=parquet.kind("pictures"),
)
#: One row per run, stage and input token (raster order) of one image: whether the token is kept (or a
#: cluster center), null for methods without kept tokens; its cluster, null for methods without clusters.
EXAMPLES = pa.schema(
    [
        *_IDENTITY,
        ("image_id", pa.string()),
        ("stage", pa.int8()),
        ("token", pa.int32()),
        ("kept", pa.bool_()),
        ("cluster", pa.int32()),
    ],
    metadata=parquet.kind("examples"),
)
#: One row per data set, method, keep rate and training setting: its value as text. Settings do not depend on
#: the backbone or the seed.
SETTINGS = pa.schema(
    [("dataset", _TEXT), ("method", _TEXT), ("keep_rate", _TEXT), ("setting", _TEXT), ("value", pa.string())],
    metadata=parquet.kind("settings"),
)
#: One row per setting that was searched: the values that were tried, as text.
GRID = pa.schema([("setting", _TEXT), ("values", pa.string())], metadata=parquet.kind("grid"))
#: One row per published accuracy on ImageNet, in percent, of a method in one of the study's backbones without
#: training: billions of multiply-accumulates, accuracy of the unreduced model (null if not published), key of
#: `tokred.published.SOURCES`; keep rate and cost of the study's run that costs about as much ("" and null if
#: it has none).
OFF_THE_SHELF = pa.schema(
    [
        ("dataset", _TEXT),
        ("backbone", _TEXT),
        ("method", _TEXT),
        ("setting", _TEXT),
        ("gmacs", pa.float64()),
        ("score", pa.float64()),
        ("unreduced", pa.float64()),
        ("source", _TEXT),
        ("keep_rate", _TEXT),
        ("own_gmacs", pa.float64()),
    ],
    metadata=parquet.kind("off_the_shelf"),
)
#: One row per trial of a hyperparameter search: the settings that were tried, the validation score in percent
#: (null: the training diverged), and whether the trial is chosen for its model. `place` is the index of the
#: trial; of trials with equal scores, the one of the smallest index is preferred.
TRIALS = pa.schema(
    [
        *_IDENTITY[:-1],
        ("place", pa.int32()),
        ("trial", pa.string()),
        ("lr", pa.float64()),
        ("lr_normalizer", pa.float64()),
        ("warmup_epochs", pa.float64()),
        ("backbone_lr_scale", pa.float64()),
        ("backbone_freeze_epochs", pa.float64()),
        ("score", pa.float64()),
        ("chosen", pa.bool_()),
    ],
    metadata=parquet.kind("trials"),
)


def identity_fields() -> list[tuple[str, pa.DataType]]:
    """Names and types of the columns that identify the run of a row."""
    return list(_IDENTITY)


def write(path: str | Path, table: pa.Table, metadata: Mapping[str, object] | None = None) -> None:
    """Write a table atomically, with `metadata` as JSON under the schema's key "tokred"."""
    schema = with_metadata(table.schema, metadata or {})
    with atomic_path(path) as temporary:
        pq.write_table(table.cast(schema), temporary, **parquet.WRITING)


def write_rows(
    path: str | Path,
    rows: Iterable[Mapping[str, object]],
    schema: pa.Schema,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write rows under a declared schema, sorted by its columns up to the first measured one.

    Raises:
        ValueError: a row lacks a column or has an unknown one.
    """
    rows = list(rows)
    names = set(schema.names)
    for row in rows:
        if set(row) != names:
            raise ValueError(f"{path}: row has columns {sorted(row)}, expected {sorted(names)}")
    key = _key(schema)
    rows.sort(key=lambda row: tuple(row[name] for name in key))
    write(path, pa.Table.from_pylist(rows, schema=schema), metadata)


def read(
    paths: str | Path | Iterable[str | Path], schema: pa.Schema, axis: str | None = None
) -> pd.DataFrame:
    """Read files into one data frame, in their order; text columns are plain strings.

    Args:
        axis: for tables of pairs, the axis that they must compare along; None for any.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, has another kind, schema or axis than expected, or another run than its
            path names; or two files have rows of the same runs.
    """
    import pandas as pd

    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    expected = {} if axis is None or schema is not PAIRS else {"axis": axis}
    parts = [parquet.table(path, schema, expected).to_pandas() for path in paths]
    frame = pd.concat(parts, ignore_index=True) if parts else schema.empty_table().to_pandas()
    if len(parts) > 1:
        _check_apart(paths, parts, schema)
    text = [name for name in schema.names if pa.types.is_dictionary(schema.field(name).type)]
    return frame.astype(dict.fromkeys(text, "str"))


def _check_apart(paths: list[str | Path], parts: list[pd.DataFrame], schema: pa.Schema) -> None:
    """Raises ValueError if two files have rows of the same runs (and of the same metric)."""
    named = [name for name in schema.names if pa.types.is_dictionary(schema.field(name).type)]
    key = [*named, *(name for name in schema.names if name.endswith("seed"))]
    seen: dict[tuple[object, ...], str | Path] = {}
    for path, part in zip(paths, parts, strict=True):
        for row in part[key].drop_duplicates().itertuples(index=False, name=None):
            if row in seen:
                raise ValueError(f"{seen[row]} and {path}: both have rows of {'/'.join(map(str, row))}")
            seen[row] = path


def _key(schema: pa.Schema) -> list[str]:
    """Columns by which rows are sorted: those that identify a row."""
    measured = ("n", "dropped", "degenerate")
    return [n for n in schema.names if n not in measured and not pa.types.is_floating(schema.field(n).type)]


def metadata(path: str | Path) -> dict[str, Any]:
    """Metadata of a table (see `write`); errors as for `tokred.tables.parquet.opened`."""
    with parquet.opened(path) as file:
        return parquet.facts_of(file.schema_arrow, path)


def code_of(path: str | Path) -> dict[str, str]:
    """Fingerprints of the code behind a table, by stage of the workflow; see `tokred.tables.lineage`."""
    code: Any = metadata(path).get("code", {})
    return dict(code)
