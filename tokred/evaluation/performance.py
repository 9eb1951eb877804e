"""A data set's performance measure, from batches that come one after the other."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tokred.evaluation.scores import NotFiniteError, precision_error, score, share_error
from tokred.runtime import distributed


class Measure:
    """Top-1 accuracy in constant memory; mean average precision keeps all scores, for it ranks them.

    Args:
        task: "single" or "multi".
    """

    def __init__(self, task: str) -> None:
        self.task = task
        self.hits = self.images = self.not_finite = 0
        self.kept: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count (B, C) logits and their labels, (B,) or multi-hot (B, C)."""
        found, expected = logits.float().cpu().numpy(), labels.cpu().numpy()
        self.images += len(expected)
        self.not_finite += int((~np.isfinite(found)).any(axis=1).sum())
        if self.task == "single":
            self.hits += int((found.argmax(axis=1) == expected).sum())
        else:
            self.kept.append((found, expected > 0.5))

    def result(self) -> float:
        """The measure in percent, over all that all processes have added.

        Raises NotFiniteError, in all processes, where one of them added logits that are infinite or NaN.
        """
        hits, images, answers = self._gathered()
        return 100 * hits / images if self.task == "single" else score(self.task, *answers)

    def standard_error(self) -> float:
        """The result's standard error over images."""
        hits, images, answers = self._gathered()
        return (
            share_error(100 * hits / images, images) if self.task == "single" else precision_error(*answers)
        )

    def _gathered(self) -> tuple[int, int, list[np.ndarray]]:
        """Hits, number of images, and logits and labels of the kept ones, of all processes."""
        parts = distributed.all_gather((self.hits, self.images, self.not_finite, self.kept))
        hits, images = sum(part[0] for part in parts), sum(part[1] for part in parts)
        not_finite = sum(part[2] for part in parts)
        if not_finite:
            raise NotFiniteError(f"logits of {not_finite} of {images} images are infinite or NaN")
        kept = [batch for part in parts for batch in part[3]]
        answers = [np.concatenate([batch[i] for batch in kept]) for i in (0, 1)] if kept else []
        return hits, images, answers
