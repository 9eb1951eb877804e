"""AdamW with the paper's parameter groups and schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tokred.settings import Training

#: Parameters of the method, which are never frozen or slowed down.
_METHOD = "reducers."
#: The classifier.
_HEAD = "head."
#: Parameters without weight decay, in addition to all one-dimensional ones.
_NO_DECAY = ("pos_embed", "cls_token", "reg_token")


def parameter_groups(model: nn.Module, training: Training) -> list[dict[str, object]]:
    """Up to four groups: new or backbone, with or without weight decay.

    Each group has `role` ("new", "backbone") and `scale`, the factor on its peak learning rate. (timm's
    `param_groups_weight_decay` distinguishes weight decay only.)
    """
    groups: dict[tuple[str, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        role = "new" if name.startswith((_METHOD, *training.full_lr)) else "backbone"
        decays = parameter.ndim > 1 and name not in _NO_DECAY
        decay = training.weight_decay if decays else 0.0
        scale = 1.0 if role == "new" else training.backbone_lr_scale
        group = groups.setdefault(
            (role, decay), {"params": [], "weight_decay": decay, "role": role, "scale": scale}
        )
        group["params"].append(parameter)
    return list(groups.values())


def with_new_classifier(training: Training) -> Training:
    """The settings with which a classifier without pretrained weights learns: at the full rate."""
    return training.model_copy(update={"full_lr": sorted({_HEAD, *training.full_lr})})


@dataclass(frozen=True)
class Schedule:
    """Learning rate of every group at every step: a linear warm-up, then a cosine.

    A group's `scale` multiplies its peak only. The start of the warm-up (`warmup_lr`) and the floor
    (`min_lr`) are absolute and the same for all groups, as in timm's scheduler: a backbone whose peak equals
    the floor stays at it, and one whose peak is below the floor rises to it. (timm's scheduler has no frozen
    epochs, and a state that a checkpoint would have to contain; this one is a function of the step.)

    Attributes:
        training: settings.
        steps_per_epoch: optimizer steps in an epoch.
    """

    training: Training
    steps_per_epoch: int

    def learning_rate(self, step: int, scale: float = 1.0) -> float:
        """Rate of a group at a step, counted from 0, while it is not frozen.

        Args:
            scale: the group's factor on the peak.
        """
        t = self.training
        peak = t.lr * t.batch_size / t.lr_normalizer * scale
        warmup = t.warmup_epochs * self.steps_per_epoch
        if step < warmup:
            return t.warmup_lr + (peak - t.warmup_lr) * step / warmup
        # The cosine counts from step 0, not from the end of the warm-up.
        progress = step / (t.epochs * self.steps_per_epoch)
        return t.min_lr + 0.5 * (peak - t.min_lr) * (1 + math.cos(math.pi * progress))

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Set every group's rate for a step; returns the rate of the group "new"."""
        frozen = step < self.training.backbone_freeze_epochs * self.steps_per_epoch
        for group in optimizer.param_groups:
            is_frozen = frozen and group["role"] == "backbone"
            group["lr"] = 0.0 if is_frozen else self.learning_rate(step, group["scale"])
        return self.learning_rate(step)


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.AdamW:
    """AdamW over `parameter_groups`; `Schedule.apply` sets the learning rates.

    Fused, as the unfused kernels take a tenth of a step for the many small parameters of a small model.
    """
    return torch.optim.AdamW(parameter_groups(model, training), lr=training.lr, fused=True)
