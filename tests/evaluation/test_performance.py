"""A measure that is told batch by batch is the measure of all."""

from __future__ import annotations

import pytest
import torch

from tokred.evaluation.performance import Measure
from tokred.evaluation.scores import NotFiniteError, precision_error, score, share_error


@pytest.mark.parametrize("task", ["single", "multi"])
def test_batches_or_all_at_once(task: str) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 4).round(decimals=1), torch.randint(4, (50,))
    if task == "multi":
        labels = (torch.rand(50, 4) < 0.3).float()
    measure = Measure(task)
    for start in range(0, 50, 7):
        measure.add(logits[start : start + 7], labels[start : start + 7])
    assert measure.result() == score(task, logits.numpy(), labels.numpy())
    expected = (
        share_error(measure.result(), 50)
        if task == "single"
        else precision_error(logits.numpy(), labels.numpy())
    )
    assert measure.standard_error() == expected > 0


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite(task: str, value: float) -> None:
    """The largest of NaNs would be class 0."""
    logits = torch.zeros(8, 3)
    logits[5, 1] = value
    labels = torch.zeros(8, dtype=torch.long) if task == "single" else torch.ones(8, 3)
    measure = Measure(task)
    measure.add(logits[:4], labels[:4])
    measure.result()
    measure.add(logits[4:], labels[4:])
    for asked in (measure.result, measure.standard_error):
        with pytest.raises(NotFiniteError, match="logits of 1 of 8 images are infinite or NaN"):
            asked()
    with pytest.raises(NotFiniteError, match="logits of 1 of 8 images are infinite or NaN"):
        score(task, logits.numpy(), labels.numpy())


def test_top1_keeps_nothing() -> None:
    measure = Measure("single")
    measure.add(torch.randn(8, 3), torch.zeros(8, dtype=torch.long))
    assert measure.kept == []
