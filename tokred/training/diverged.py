"""Detection of divergence: loss, weights or logits that are infinite or NaN."""

from __future__ import annotations

from torch import Tensor, nn


class Diverged(ValueError):
    """Loss, weights or logits are infinite or NaN; the same settings will always have this result."""


def check_weights(model: nn.Module, when: str) -> None:
    """Raises Diverged if weights are not finite, as after the last step, whose loss was still finite.

    Args:
        when: start of the message: which training, after which epoch.
    """
    not_finite = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if not_finite:
        raise Diverged(
            f"{when} {len(not_finite)} weights, such as {not_finite[0]}, are infinite or NaN; lower the `lr`"
        )


def check_logits(logits: Tensor, when: str) -> None:
    """Raises Diverged if logits are not finite, which finite but very large weights can cause."""
    if not logits.isfinite().all():
        raise Diverged(f"{when} logits are infinite or NaN; lower the `lr`")
