"""One optimizer step, over any number of micro-batches and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from timm.utils import ModelEmaV3
from torch import Tensor

from tokred.models.reduced import ReducedModel
from tokred.runtime import distributed
from tokred.runtime.device import autocast
from tokred.settings import Hardware, Training
from tokred.training.losses import task_loss
from tokred.training.mixing import StepMix
from tokred.training.optimizer import make_optimizer


class Stepper:
    """Model, optimizer, gradient scaler and moving average of a training.

    Args:
        model: on its device; it is trained in place.
        training: settings.
        hardware: whether the forward pass is compiled.
        task, num_classes: of the data set.
    """

    def __init__(
        self,
        model: ReducedModel,
        training: Training,
        hardware: Hardware,
        task: str,
        num_classes: int,
    ) -> None:
        self.model, self.training, self.num_classes = model, training, num_classes
        self.device = next(model.parameters()).device
        self.optimizer = make_optimizer(model, training)
        self.loss = task_loss(task, training)
        self.ema = None if training.ema_decay is None else ModelEmaV3(model, decay=training.ema_decay)
        self.forward = _compiled(model, hardware)
        # In half precision small gradients underflow unless the loss is scaled; a no-op otherwise.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=training.precision == "float16")

    def step(
        self,
        parts: Iterable[tuple[Tensor, Tensor]],
        slices: Sequence[slice],
        inputs: Callable[[Tensor], Tensor],
        mix: StepMix | None,
    ) -> Tensor:
        """Train on one batch; returns (2,) the losses of task and method, averaged over this process's shard.

        Args:
            parts: micro-batches of equal size: images and labels.
            slices: the range of the batch that each micro-batch covers.
            inputs: function from images to the input of the network.
            mix: how images are mixed; None: not at all.
        """
        self.optimizer.zero_grad(set_to_none=True)
        totals = torch.zeros(2, device=self.device)
        for (pixels, labels), part in zip(parts, slices, strict=True):
            images, targets = inputs(pixels.to(self.device)), labels.to(self.device)
            if mix is not None:
                images, targets = mix.apply(images, targets, self.num_classes, part.start)
            with autocast(self.device, self.training.precision):
                loss = self.loss(self.forward(images), targets)
            extra = self.model.extra_loss
            total = loss if extra is None else loss + extra
            self.scaler.scale(total / len(slices)).backward()
            method = torch.zeros((), device=self.device) if extra is None else extra.detach()
            totals += torch.stack([loss.detach(), method]) / len(slices)
        self._update()
        return totals

    def _update(self) -> None:
        parameters = list(self.model.parameters())
        distributed.average_gradients(parameters)
        self.scaler.unscale_(self.optimizer)
        if self.training.clip_grad is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.training.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.model)


def _compiled(model: ReducedModel, hardware: Hardware) -> Callable[[Tensor], Tensor]:
    if not hardware.compile:
        return model
    if hardware.compile is True:
        return torch.compile(model)
    return torch.compile(model, backend=hardware.compile)
