"""A backbone and hyperparameters that train in a second, and an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from torch import Tensor

from tokred.settings import Backbone
from tokred.training import checkpoint

BACKBONE = Backbone(
    model="vit_tiny_patch16_224",
    label="Tiny",
    image_size=30,
    patch_size=6,
    kwargs={"embed_dim": 24, "num_heads": 3, "weight_init": "jax"},
)
SETTINGS = {"epochs": 3, "batch_size": 16, "lr_normalizer": 16, "warmup_epochs": 1, "max_shift": 2}
SETTINGS |= {"ema_decay": 0.9, "color_jitter": 0.2, "clip_grad": 1.0}


@contextmanager
def cut_off_after(epoch: int) -> Iterator[None]:
    """Interrupt a training once its state after an epoch is on disk; fails if that does not happen."""
    save = checkpoint.save

    def stop(path: str | Path, tensors: dict[str, Tensor], facts: dict[str, object]) -> None:
        save(path, tensors, facts)
        if facts["epoch"] == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            yield
