"""Training steps of reduced models, as a fraction of the ideal by multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.models import REDUCED, Setting, speedup
from benchmarks.row import Goal, Row, Scale

_GOAL = Goal(">=", 90)
#: Methods that mask tokens while they learn, in place of dropping them.
MASKING = ("dynamicvit",)


def step(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """Forward and backward pass with the method's own loss, if it has one, and the optimizer's step."""
    labels = torch.arange(len(images), device=images.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(model(images), labels)
        extra = getattr(model, "extra_loss", None)
        (loss if extra is None else loss + extra).backward()
        optimizer.step()

    return run


def ideal_step(setting: Setting, method: str, keep_rate: str) -> float:
    """Ideal speedup of a step by the backbone's multiply-accumulates alone."""
    return 1.0 if method in MASKING else setting.ideal(method, keep_rate)


def measure(scale: Scale) -> Iterator[Row]:
    """float32, r = 0.5."""
    setting = Setting.of(scale)
    images = setting.images()
    unreduced = step(setting.unreduced().train(), images)
    for method in REDUCED:
        found = speedup(step(setting.reduced(method, "0.50").train(), images), unreduced, setting.steps)
        possible = ideal_step(setting, method, "0.50")
        note = f"{found:.2f} of {possible:.2f} x" + (", masks while it learns" if method in MASKING else "")
        yield Row(f"{method}, r = 0.50", 100 * found / possible, "% of ideal", _GOAL, note)
