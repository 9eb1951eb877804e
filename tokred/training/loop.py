"""The training loop, which can be cut off after any epoch and ends with the same weights."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import torch
from timm.utils import ModelEmaV3
from tqdm import tqdm

from tokred.config import Backbone, Training
from tokred.run import Run
from tokred.training import state
from tokred.training.data import Images, augment, normalize
from tokred.training.losses import task_loss
from tokred.training.optimizer import Schedule, make_optimizer
from tokred.training.scores import METRIC, score
from tokred.vit import ReducedVisionTransformer

log = logging.getLogger(__name__)


class Trainer:
    """One training: model, optimiser, moving average, and the best weights so far.

    All randomness of an epoch comes from a seed of the run and the epoch, so a state between two epochs is
    complete without the state of any random generator.

    Args:
        model: to be trained in place.
        run: identity, which gives the seeds.
        backbone: normalisation of its input.
        training: settings.
        train: images to learn from.
        validation: images to choose an epoch by; None keeps the last epoch.
    """

    def __init__(
        self,
        model: ReducedVisionTransformer,
        run: Run,
        backbone: Backbone,
        training: Training,
        train: Images,
        validation: Images | None,
    ) -> None:
        self.model, self.run, self.backbone, self.training = model, run, backbone, training
        self.train_images, self.validation = train, validation
        self.steps_per_epoch = max(1, len(train) // training.batch_size)
        self.schedule = Schedule(training, self.steps_per_epoch)
        self.optimizer = make_optimizer(model, training)
        self.loss = task_loss(train.task, training)
        self.ema = None if training.ema_decay is None else ModelEmaV3(model, decay=training.ema_decay)
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.best: state.Tensors = {}
        self.best_score = float("-inf")

    def fit(self, state_path: str | Path, settings: str) -> state.Tensors:
        """Train to the end and return the chosen weights.

        Args:
            state_path: file that holds the state after every epoch; continued from where it exists.
            settings: fingerprint of all that decides the result; a state of other settings is not used.
        """
        self._resume(Path(state_path), settings)
        while self.epoch < self.training.epochs:
            self._finish_epoch(self._train_epoch())
            self._save(state_path, settings)
        return self.best

    def _train_epoch(self) -> dict[str, float]:
        torch.manual_seed(self.run.seed_for("epoch", self.epoch))
        self.model.train()
        started, first_step = time.monotonic(), self.epoch * self.steps_per_epoch
        totals = torch.zeros(2)
        batches = self.train_images.shuffled(self.training.batch_size)
        bar = tqdm(batches, f"epoch {self.epoch + 1}", self.steps_per_epoch, leave=False, disable=None)
        for index, (pixels, labels) in enumerate(bar):
            rate = self.schedule.apply(self.optimizer, first_step + index)
            totals += self._step(pixels, labels)
        loss, extra = (totals / self.steps_per_epoch).tolist()
        if not torch.isfinite(totals).all():
            raise ValueError(f"{self.run.key}: loss is not finite in epoch {self.epoch + 1}; lower the `lr`")
        seconds = time.monotonic() - started
        return {"lr": rate, "train_loss": loss, "extra_loss": extra, "seconds": seconds}

    def _step(self, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One optimiser step; returns the task's loss and the method's."""
        inputs = normalize(augment(pixels, self.training), self.backbone)
        loss = self.loss(self.model(inputs), labels)
        extra = self.model.extra_loss
        self.optimizer.zero_grad(set_to_none=True)
        (loss if extra is None else loss + extra).backward()
        if self.training.clip_grad is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip_grad)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model)
        return torch.stack([loss.detach(), torch.zeros(()) if extra is None else extra.detach()])

    def _finish_epoch(self, row: dict[str, float]) -> None:
        """Validate, keep the best weights, log."""
        self.epoch += 1
        candidates = {"val_score": self.model}
        if self.ema is not None:
            candidates["val_score_ema"] = self.ema.module
        row |= {"epoch": self.epoch, "val_score": float("nan"), "val_score_ema": float("nan")}
        for name, model in candidates.items():
            if self.validation is not None:
                row[name] = self.evaluate(model, self.validation)
            # Without validation images the last candidate of the last epoch stays.
            value = float(self.epoch) if self.validation is None else row[name]
            if value > self.best_score or (self.validation is None and value == self.best_score):
                self.best_score = value
                self.best = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        self.history.append(row)
        log.info("epoch %d/%d  %s", self.epoch, self.training.epochs, self._told(row))

    def _told(self, row: dict[str, float]) -> str:
        """An epoch's row for a person: what was measured, and nothing else."""
        measure = METRIC[self.train_images.task]
        parts = {
            "loss": f"{row['train_loss']:.4f}",
            "method's loss": f"{row['extra_loss']:.4f}" if row["extra_loss"] else None,
            f"validation {measure}": _percent(row["val_score"]),
            "of the average": _percent(row["val_score_ema"]),
            "lr": f"{row['lr']:.2e}",
            "seconds": f"{row['seconds']:.1f}",
        }
        return "  ".join(f"{name} {text}" for name, text in parts.items() if text is not None)

    @torch.no_grad()
    def evaluate(self, model: torch.nn.Module, images: Images) -> float:
        """Score of a model on images, in percent."""
        model.eval()
        batches = images.batches(self.training.batch_size)
        logits = torch.cat([model(normalize(pixels, self.backbone)) for pixels, _ in batches])
        return score(images.task, logits.numpy(), images.labels.numpy())

    def _save(self, path: str | Path, settings: str) -> None:
        tensors = state.prefixed("model", self.model.state_dict())
        tensors |= state.prefixed("best", self.best)
        tensors |= state.prefixed("optimizer", state.optimizer_tensors(self.optimizer))
        if self.ema is not None:
            tensors |= state.prefixed("ema", self.ema.module.state_dict())
        facts = {"settings": settings, "epoch": self.epoch, "history": self.history, "best": self.best_score}
        state.save(path, tensors, facts)

    def _resume(self, path: Path, settings: str) -> None:
        if not path.exists():
            return
        tensors, facts = state.load(path)
        if facts["settings"] != settings:
            log.info("%s: state of other settings or code, training starts anew", path)
            return
        self.model.load_state_dict(state.without_prefix("model", tensors))
        self.best = state.without_prefix("best", tensors)
        state.load_optimizer(self.optimizer, state.without_prefix("optimizer", tensors))
        if self.ema is not None:
            self.ema.module.load_state_dict(state.without_prefix("ema", tensors))
        self.epoch, self.history = facts["epoch"], facts["history"]
        self.best_score = facts["best"]
        log.info("continuing after epoch %d", self.epoch)


def _percent(value: float) -> str | None:
    return None if math.isnan(value) else f"{value:.2f}"
