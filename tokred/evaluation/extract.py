"""One pass of a trained model over the test split: predictions, patterns, CLS features, score."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tokred.data.in_memory import Source
from tokred.evaluation.performance import PerformanceMetric
from tokred.evaluation.scores import METRIC, NotFiniteError
from tokred.methods import registry
from tokred.models.reduced import ReducedModel
from tokred.models.trace import StageTrace, Trace
from tokred.run import RUN_COLUMNS, Run
from tokred.runtime.device import autocast, explain_oom
from tokred.settings import Backbone
from tokred.tables import batch_writer, parquet, schemas
from tokred.tables.patterns import numbered_clusters, pattern_schema, survived_stages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outputs:
    """Paths of the tables that an extraction writes."""

    predictions: str
    patterns: str
    features: str
    score: str


@torch.no_grad()
def extract(
    model: ReducedModel,
    run: Run,
    backbone: Backbone,
    images: Source,
    batch_size: int,
    outputs: Outputs,
    metadata: Mapping[str, object],
    precision: str = "float32",
    locations: Sequence[int] | None = None,
) -> None:
    """Write the four tables of a run. Files appear only when all images have been processed.

    Memory is bounded for any number of images, except that multi-label scores are kept for ranking.

    Args:
        model: on its device.
        metadata: stored with each table, in addition to the identity of the run.
        precision: of matrix products and attention.
        locations: blocks after which patterns and CLS features are stored; None: those of the model's stages.

    Raises:
        NotFiniteError: logits or CLS features of some images are infinite or NaN.
    """
    model.eval()
    locations = model.locations if locations is None else locations
    metric, loss = PerformanceMetric(images.task), 0.0
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(batch_writer.open_writer(getattr(outputs, name), schema, metadata))
            for name, schema in _schemas(model, run, images, len(locations)).items()
        }
        stack.enter_context(explain_oom(run.key, batch_size, "evaluation_batch_size"))
        for ids, pixels, labels in _batches(images, batch_size):
            logits, trace = _forward(model, images, pixels, backbone, precision, locations)
            metric.update(logits, labels)
            _check_finite(run, precision, logits, trace, ids)
            loss += _loss_sum(images.task, logits, labels)
            identity = _identity(run, ids)
            writers["predictions"].add({**identity, **_prediction_columns(logits, labels)})
            writers["patterns"].add({**identity, **_pattern_columns(model, trace)})
            writers["features"].add({**identity, **_feature_columns(trace)})
    value = metric.compute()
    name = METRIC[images.task]
    row = {"metric": name, "score": value, "std_error": metric.standard_error()}
    row |= {"loss": loss / len(images), "n": len(images)}
    schemas.write_rows(outputs.score, [{**asdict(run), **row}], schemas.SCORES, metadata)
    log.info("%s: %s %.2f %% on %d images", run.key, name, value, len(images))


def _forward(
    model: ReducedModel,
    images: Source,
    pixels: Tensor,
    backbone: Backbone,
    precision: str,
    locations: Sequence[int],
) -> tuple[Tensor, Trace]:
    """Float32 logits and the trace of a batch, on the CPU."""
    device = next(model.parameters()).device
    with autocast(device, precision):
        logits, trace = model.trace(images.inputs(pixels.to(device), backbone), locations)
    return logits.float().cpu(), trace.cpu()


def _check_finite(run: Run, precision: str, logits: Tensor, trace: Trace, ids: list[str]) -> None:
    finite = logits.isfinite().all(dim=1) & trace.cls.isfinite().flatten(1).all(dim=1)
    if not finite.all():
        example = ids[int(finite.logical_not().nonzero()[0])]
        hint = "" if precision == "float32" else "; evaluation_precision: float32 has the largest range"
        raise NotFiniteError(
            f"{run.key}: logits or features of image {example!r} are infinite or NaN in {precision}{hint}"
        )


def _schemas(model: ReducedModel, run: Run, images: Source, num_stages: int) -> dict[str, pa.Schema]:
    spec = registry.get(run.method)
    identity = [*schemas.identity_fields(), ("image_id", pa.string())]
    label = pa.int32() if images.task == "single" else pa.list_(pa.int32())
    logits = pa.list_(pa.float32(), images.num_classes)
    cls = pa.list_(pa.float32(), model.embed_dim)
    return {
        "predictions": pa.schema(
            [*identity, ("label", label), ("logits", logits)], metadata=parquet.kind("predictions")
        ),
        "patterns": pattern_schema(
            model.num_tokens,
            num_stages,
            kept=spec.kept or not spec.target,
            clusters=spec.clusters,
            margin=spec.family is registry.Family.SOFT,
        ),
        "features": pa.schema(
            [*identity, *((f"cls_{s}", cls) for s in range(1, num_stages + 2))],
            metadata=parquet.kind("features"),
        ),
    }


def _batches(images: Source, batch_size: int) -> Iterator[tuple[list[str], Tensor, Tensor]]:
    ids, start = images.ids, 0
    for pixels, labels in images.batches(batch_size):
        yield ids[start : start + len(pixels)], pixels, labels
        start += len(pixels)


def _identity(run: Run, ids: list[str]) -> dict[str, pa.Array]:
    columns = {name: pa.array([getattr(run, name)] * len(ids)) for name in RUN_COLUMNS}
    return {**columns, "image_id": pa.array(ids)}


def _prediction_columns(logits: Tensor, labels: Tensor) -> dict[str, pa.Array]:
    if labels.ndim == 1:
        stored = pa.array(labels.numpy())
    else:
        stored = pa.array([row.nonzero()[0].tolist() for row in labels.numpy()], pa.list_(pa.int32()))
    return {"label": stored, "logits": _lists(logits.numpy())}


def _pattern_columns(model: ReducedModel, trace: Trace) -> dict[str, pa.Array]:
    spec = registry.get(model.method)
    num_tokens = model.num_tokens
    columns: dict[str, pa.Array] = {}
    if spec.kept or not spec.target:
        anchors = [stage.anchor.numpy() for stage in trace.stages]
        columns["survived"] = _lists(survived_stages(anchors, num_tokens))
    if spec.clusters:
        for index, stage in enumerate(trace.stages, 1):
            columns[f"cluster_{index}"] = _lists(numbered_clusters(stage.assign.numpy()))
    if spec.family is registry.Family.SOFT:
        margins = [_mean_margin(stage) for stage in trace.stages]
        columns["margin"] = _lists(torch.stack(margins, dim=1).numpy())
    return columns


def _mean_margin(stage: StageTrace) -> Tensor:
    """(B,) mean assignment margin over the tokens of each image; 1 where no stage has merged any."""
    if stage.margin is None:
        return torch.ones(len(stage.assign))
    return stage.margin.float().mean(dim=1)


def _feature_columns(trace: Trace) -> dict[str, pa.Array]:
    return {f"cls_{s + 1}": _lists(trace.cls[:, s].float().numpy()) for s in range(trace.cls.shape[1])}


def _lists(values: NDArray[Any]) -> pa.Array:
    """A column of fixed-size lists from (n, size) values."""
    return pa.FixedSizeListArray.from_arrays(np.ascontiguousarray(values).reshape(-1), values.shape[1])


def _loss_sum(task: str, logits: Tensor, labels: Tensor) -> float:
    """Cross-entropy (single label) or mean binary cross-entropy over classes, summed over images."""
    if task == "single":
        return F.cross_entropy(logits, labels, reduction="sum").item()
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(dim=1).sum().item()
