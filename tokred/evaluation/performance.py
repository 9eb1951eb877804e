"""The performance metric of a data set, accumulated over batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tokred.evaluation.scores import NotFiniteError, bootstrap_map_std_error, proportion_std_error, score
from tokred.runtime import distributed


class PerformanceMetric:
    """Top-1 accuracy, in constant memory, or mean average precision, which ranks and hence stores all logits.

    The protocol is that of torchmetrics.

    Args:
        task: "single" or "multi".
    """

    def __init__(self, task: str) -> None:
        self.task = task
        self.num_correct = self.num_images = self.num_not_finite = 0
        self.stored: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: (B, C) logits, and labels, (B,) or multi-hot (B, C)."""
        values, expected = logits.float().cpu().numpy(), labels.cpu().numpy()
        self.num_images += len(expected)
        self.num_not_finite += int((~np.isfinite(values)).any(axis=1).sum())
        if self.task == "single":
            self.num_correct += int((values.argmax(axis=1) == expected).sum())
        else:
            self.stored.append((values, expected > 0.5))

    def compute(self) -> float:
        """The metric in percent, over the batches of all processes.

        Raises NotFiniteError in all processes if logits of any process are infinite or NaN.
        """
        num_correct, num_images, stored = self._gather()
        return 100 * num_correct / num_images if self.task == "single" else score(self.task, *stored)

    def standard_error(self) -> float:
        """Standard error of the metric over images, in percentage points; errors as for `compute`."""
        num_correct, num_images, stored = self._gather()
        if self.task == "single":
            return proportion_std_error(100 * num_correct / num_images, num_images)
        return bootstrap_map_std_error(*stored)

    def _gather(self) -> tuple[int, int, list[NDArray[Any]]]:
        """Of all processes: numbers of correct and of all images, and the stored logits and labels."""
        parts = distributed.all_gather((self.num_correct, self.num_images, self.num_not_finite, self.stored))
        num_correct, num_images = sum(part[0] for part in parts), sum(part[1] for part in parts)
        num_not_finite = sum(part[2] for part in parts)
        if num_not_finite:
            raise NotFiniteError(f"logits of {num_not_finite} of {num_images} images are infinite or NaN")
        batches = [batch for part in parts for batch in part[3]]
        stored = [np.concatenate([batch[i] for batch in batches]) for i in (0, 1)] if batches else []
        return num_correct, num_images, stored
