"""Performance of a model on corrupted images of the test split."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import product
from typing import Any

import torch
from torch import Tensor

from tokred.data.corruptions import corrupt
from tokred.data.in_memory import Source, normalize
from tokred.evaluation.performance import PerformanceMetric
from tokred.evaluation.scores import METRIC, NotFiniteError
from tokred.models.reduced import ReducedModel
from tokred.run import Run
from tokred.runtime.device import autocast, explain_oom
from tokred.settings import Backbone
from tokred.settings.corruption import CORRUPTIONS, SEVERITIES
from tokred.tables import schemas

log = logging.getLogger(__name__)


@torch.no_grad()
def evaluate(
    model: ReducedModel,
    run: Run,
    backbone: Backbone,
    images: Source,
    batch_size: int,
    precision: str = "float32",
    corruptions: Iterable[tuple[str, int]] | None = None,
) -> list[dict[str, Any]]:
    """Performance under each corruption at each severity.

    Every image is read once. Memory does not grow with the number of images, except that multi-label scores
    are kept for ranking.

    Args:
        model: on its device.
        run: named in error messages.
        batch_size: images in a forward pass.
        precision: of matrix products and attention.
        corruptions: kinds and severities (`tokred.settings.corruption`); None: all.

    Returns:
        One row for each: `corruption`, `severity`, and `metric`, `score`, `std_error` and `n` as in
        `schemas.SCORES`.

    Raises:
        NotFiniteError: logits of some images are infinite or NaN.
    """
    model.eval()
    device = next(model.parameters()).device
    kinds = list(product(CORRUPTIONS, SEVERITIES) if corruptions is None else corruptions)
    metrics = {kind: PerformanceMetric(images.task) for kind in kinds}
    ids, start = images.ids, 0
    with explain_oom(run.key, batch_size, "evaluation_batch_size"):
        for pixels, labels in images.plain_batches(batch_size):
            batch, of_batch = pixels.to(device), ids[start : start + len(pixels)]
            start += len(pixels)
            for (name, severity), metric in metrics.items():
                changed = corrupt(batch, name, severity, of_batch, backbone.grid)
                metric.update(_logits(model, normalize(255 * changed, backbone), precision), labels)
    return [{**_row(run, kind, metric), "n": len(images)} for kind, metric in metrics.items()]


def _row(run: Run, kind: tuple[str, int], metric: PerformanceMetric) -> dict[str, Any]:
    name, severity = kind
    row = {"corruption": name, "severity": severity, "metric": METRIC[metric.task]}
    try:
        return {**row, "score": metric.compute(), "std_error": metric.standard_error()}
    except NotFiniteError as error:
        raise NotFiniteError(f"{run.key}, {name} at severity {severity}: {error}") from None


def _logits(model: ReducedModel, inputs: Tensor, precision: str) -> Tensor:
    with autocast(inputs.device, precision):
        logits: Tensor = model(inputs)
    return logits.float().cpu()


def write(path: str, run: Run, rows: list[dict[str, Any]], metadata: Mapping[str, object]) -> None:
    """Write the rows of a run as `schemas.ROBUSTNESS`."""
    schemas.write_rows(path, [{**asdict(run), **row} for row in rows], schemas.ROBUSTNESS, metadata)
    for row in rows:
        log.info("%s: %s %d: %.2f %%", run.key, row["corruption"], row["severity"], row["score"])
