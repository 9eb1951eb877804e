"""The work that is measured: forward passes and training steps of a model, without reading images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tokred.efficiency.timing import Work
from tokred.runtime.device import autocast

#: A model, or what `torch.compile` makes of it.
Network = Callable[[Tensor], Any]


def forward_pass(model: Network, images: Tensor, precision: str = "float32") -> Work:
    """A forward pass of a model, in its present mode, without gradients.

    Args:
        model: on its device.
        images: (B, 3, height, width) on the same device.
        precision: of matrix products and attention: "float32", "bfloat16" or "float16".
    """

    def run() -> None:
        with torch.inference_mode(), autocast(images.device, precision):
            model(images)

    return run


def compiled_calls(models: Sequence[nn.Module]) -> list[Network]:
    """Models as `torch.compile` compiles them at their first pass, and anew for each batch size.

    Models of one class share their code, of which torch compiles eight variants and then silently none: its
    limits are raised.
    """
    dynamo: Any = torch._dynamo.config
    for limit in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit"):
        if hasattr(dynamo, limit):
            setattr(dynamo, limit, max(getattr(dynamo, limit), 100 * len(models)))
    return [torch.compile(model, dynamic=False) for model in models]


def training_step(model: nn.Module, images: Tensor, precision: str = "float32") -> Work:
    """A training step of a model: forward and backward pass, and AdamW's step.

    The loss is cross-entropy with made-up labels, and the method's own, if it has one. The steps change the
    model's weights, by very little.

    Args:
        model: in training mode, on its device; its output are logits.
        images: (B, 3, height, width) on the same device.
        precision: of matrix products and attention.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(images.device, precision):
            logits = model(images)
        labels = torch.arange(len(images), device=images.device) % logits.shape[1]
        loss = cross_entropy(logits.float(), labels)
        extra = getattr(model, "extra_loss", None)
        (loss if extra is None else loss + extra).backward()
        optimizer.step()

    return run
