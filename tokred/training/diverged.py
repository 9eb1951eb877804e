"""Trainings that have diverged: their loss, weights or logits are infinite or NaN."""

from __future__ import annotations

from torch import Tensor, nn


class Diverged(ValueError):
    """A training whose loss, weights or logits are infinite or NaN: the same settings will always end so."""


def check_weights(model: nn.Module, when: str) -> None:
    """Raises Diverged for weights that the last step broke: its loss is that of the weights before it.

    Args:
        when: beginning of the message: which training, and after which epoch.
    """
    wrong = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if wrong:
        raise Diverged(
            f"{when} {len(wrong)} weights, such as {wrong[0]}, are infinite or NaN; lower the `lr`"
        )


def check_logits(logits: Tensor, when: str) -> None:
    """Raises Diverged for logits of weights that are finite, but so large that their products are not."""
    if not logits.isfinite().all():
        raise Diverged(f"{when} logits are infinite or NaN; lower the `lr`")
