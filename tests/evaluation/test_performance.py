"""A metric accumulated over batches equals the metric of all images at once."""

from __future__ import annotations

import pytest
import torch

from tokred.evaluation.performance import PerformanceMetric
from tokred.evaluation.scores import NotFiniteError, bootstrap_map_std_error, proportion_std_error, score


@pytest.mark.parametrize("task", ["single", "multi"])
def test_batches_or_all_at_once(task: str) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 4).round(decimals=1), torch.randint(4, (50,))
    if task == "multi":
        labels = (torch.rand(50, 4) < 0.3).float()
    metric = PerformanceMetric(task)
    for start in range(0, 50, 7):
        metric.update(logits[start : start + 7], labels[start : start + 7])
    assert metric.compute() == score(task, logits.numpy(), labels.numpy())
    expected = (
        proportion_std_error(metric.compute(), 50)
        if task == "single"
        else bootstrap_map_std_error(logits.numpy(), labels.numpy())
    )
    assert metric.standard_error() == expected > 0


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite(task: str, value: float) -> None:
    """The largest of NaNs would be class 0."""
    logits = torch.zeros(8, 3)
    logits[5, 1] = value
    labels = torch.zeros(8, dtype=torch.long) if task == "single" else torch.ones(8, 3)
    metric = PerformanceMetric(task)
    metric.update(logits[:4], labels[:4])
    metric.compute()
    metric.update(logits[4:], labels[4:])
    for compute in (metric.compute, metric.standard_error):
        with pytest.raises(NotFiniteError, match="logits of 1 of 8 images are infinite or NaN"):
            compute()
    with pytest.raises(NotFiniteError, match="logits of 1 of 8 images are infinite or NaN"):
        score(task, logits.numpy(), labels.numpy())


def test_top1_stores_no_logits() -> None:
    metric = PerformanceMetric("single")
    metric.update(torch.randn(8, 3), torch.zeros(8, dtype=torch.long))
    assert metric.stored == []
