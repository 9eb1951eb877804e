"""The training loop. Interrupted and resumed after any epoch, it ends with the same weights."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from tokred.data.batch_shard import BatchShard
from tokred.data.in_memory import Source
from tokred.evaluation.performance import PerformanceMetric
from tokred.evaluation.scores import METRIC, NotFiniteError
from tokred.files import set_aside
from tokred.models.reduced import ReducedModel
from tokred.run import Run
from tokred.runtime import distributed
from tokred.runtime.device import autocast, explain_oom, resolve
from tokred.settings import DEFAULT_HARDWARE, Backbone, Hardware, Training
from tokred.training import checkpoint
from tokred.training.diverged import Diverged, check_logits, check_weights
from tokred.training.mixing import StepMix
from tokred.training.optimizer import Schedule
from tokred.training.step import Stepper

log = logging.getLogger(__name__)


class Trainer:
    """One training: model, optimizer, moving average, and the best weights so far.

    All randomness of an epoch derives from a seed of run and epoch, so that a checkpoint between two epochs
    needs no state of a random number generator.

    In a distributed training every process has its own Trainer and ends with the same weights; the process of
    rank 0 writes the checkpoints.

    Args:
        model: trained in place, and moved to the device.
        run: identity, from which seeds derive.
        backbone: normalization of the input.
        training: settings.
        train: training images.
        validation: images by which the best epoch is selected; None: the last epoch is kept.
        hardware: device, and size of micro-batches.

    Raises:
        ValueError: the batch is not divisible into such shards and micro-batches, or the augmentation is not
            possible for the task.
    """

    def __init__(
        self,
        model: ReducedModel,
        run: Run,
        backbone: Backbone,
        training: Training,
        train: Source,
        validation: Source | None,
        hardware: Hardware = DEFAULT_HARDWARE,
    ) -> None:
        self.run, self.backbone, self.training = run, backbone, training
        self.train_images, self.validation = train, validation
        self.device = resolve(hardware.device)
        self.model = model.to(self.device)
        self.shard = BatchShard(hardware.micro_batch_size, distributed.rank(), distributed.world_size())
        self.mixes = training.mixup > 0 or training.cutmix > 0
        if self.mixes and train.task != "single":
            raise ValueError(f"{run.key}: mixup and cutmix need a single-label data set; set both to 0")
        self.batch_size = min(training.batch_size, len(train))
        self.parts = self.shard.slices(self.batch_size, even=self.mixes)
        self.micro = self.parts[0].stop - self.parts[0].start
        self.steps_per_epoch = max(1, len(train) // training.batch_size)
        self.schedule = Schedule(training, self.steps_per_epoch)
        self.stepper = Stepper(self.model, training, hardware, train.task, train.num_classes)
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.best: checkpoint.Tensors = {}
        self.best_score = float("-inf")

    def fit(self, checkpoint_path: str | Path, settings: str) -> checkpoint.Tensors:
        """Train to the end and return the chosen weights.

        Args:
            checkpoint_path: the checkpoint, written after every epoch, from which training resumes if it
                exists. If it is damaged, it is renamed, and training starts from the beginning.
            settings: everything that determines the result; checkpoints of other settings are ignored.
        """
        self._resume(Path(checkpoint_path), settings)
        if len(set(distributed.all_gather(self.epoch))) > 1:
            raise ValueError(
                f"{checkpoint_path}: processes of {self.run.key} resumed from different epochs, as some "
                "could not read the checkpoint; start the job again"
            )
        if self.training.epochs == 0:
            self.best = _on_cpu(self.model)
        while self.epoch < self.training.epochs:
            self._finish_epoch(self._train_epoch())
            if self.shard.rank == 0:
                self._save(checkpoint_path, settings)
        return self.best

    def _train_epoch(self) -> dict[str, float]:
        seed = self.run.seed_for("epoch", self.epoch)
        torch.manual_seed(seed)
        if self.device.type == "cuda":
            # Random numbers of the network, different in each process; all others are drawn on the CPU.
            torch.cuda.manual_seed(seed + self.shard.rank)
        self.model.train()
        started, first_step = time.monotonic(), self.epoch * self.steps_per_epoch
        totals = torch.zeros(2, device=self.device)
        steps = self.train_images.steps(self.training, self.shard, seed)
        hidden = True if self.shard.rank else None  # None: hidden unless in a terminal
        bar = tqdm(steps, f"epoch {self.epoch + 1}", self.steps_per_epoch, leave=False, disable=hidden)
        with explain_oom(self.run.key, self.micro, "hardware.micro_batch_size"):
            for index, parts in enumerate(bar):
                rate = self.schedule.apply(self.stepper.optimizer, first_step + index)
                totals += self.stepper.step(parts, self.parts, self._inputs, self._mix(index))
        loss, extra = (distributed.mean(totals) / self.steps_per_epoch).tolist()
        if not torch.isfinite(totals).all():
            raise Diverged(f"{self.run.key}: loss is not finite in epoch {self.epoch + 1}; lower the `lr`")
        seconds = time.monotonic() - started
        return {"lr": rate, "train_loss": loss, "extra_loss": extra, "seconds": seconds}

    def _inputs(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.train_images.inputs(pixels, self.backbone)

    def _mix(self, step: int) -> StepMix | None:
        if not self.mixes:
            return None
        rng = np.random.default_rng(self.run.seed_for("mix", self.epoch, step))
        return StepMix.draw(self.training, self.batch_size, rng)

    def _finish_epoch(self, row: dict[str, float]) -> None:
        """Validate, update the best weights, and log."""
        self.epoch += 1
        candidates = {"val_score": self.model}
        if self.stepper.ema is not None:
            candidates["val_score_ema"] = self.stepper.ema.module
        row |= {"epoch": self.epoch, "val_score": float("nan"), "val_score_ema": float("nan")}
        for name, model in candidates.items():
            check_weights(model, f"{self.run.key}: after epoch {self.epoch}")
            if self.validation is not None:
                row[name] = self._validate(model, self.validation)
            elif self.epoch == self.training.epochs:
                self._check_logits(model)
            # Without validation images the last candidate of the last epoch is kept.
            score = float(self.epoch) if self.validation is None else row[name]
            if score > self.best_score or (self.validation is None and score == self.best_score):
                self.best_score = score
                self.best = _on_cpu(model)
        self.history.append(row)
        log.info("epoch %d/%d  %s", self.epoch, self.training.epochs, self._format(row))

    def _validate(self, model: torch.nn.Module, images: Source) -> float:
        try:
            return self.evaluate(model, images)
        except NotFiniteError as error:
            raise Diverged(f"{self.run.key}: validation after epoch {self.epoch}: {error}") from error

    @torch.no_grad()
    def _check_logits(self, model: torch.nn.Module) -> None:
        """Raises Diverged if the logits of final weights are not finite, though the weights are.

        Without validation images, one batch of training images is tested, the same in every process.
        """
        model.eval()
        size = min(self.training.batch_size, self.shard.micro_batch_size or self.training.batch_size)
        pixels, _ = next(self.train_images.batches(size))
        inputs = self.train_images.inputs(pixels.to(self.device), self.backbone)
        with autocast(self.device, self.training.precision):
            logits = model(inputs)
        check_logits(logits, f"{self.run.key}: after epoch {self.epoch}")

    def _format(self, row: dict[str, float]) -> str:
        """The measured values of an epoch, for the log."""
        metric = METRIC[self.train_images.task]
        parts = {
            "loss": f"{row['train_loss']:.4f}",
            "method's loss": f"{row['extra_loss']:.4f}" if row["extra_loss"] else None,
            f"validation {metric}": _percent(row["val_score"]),
            "of the moving average": _percent(row["val_score_ema"]),
            "lr": f"{row['lr']:.2e}",
            "seconds": f"{row['seconds']:.1f}",
        }
        return "  ".join(f"{name} {text}" for name, text in parts.items() if text is not None)

    @torch.no_grad()
    def evaluate(self, model: torch.nn.Module, images: Source) -> float:
        """Performance of a model on images, in percent; each process evaluates its shard.

        Raises NotFiniteError if logits are infinite or NaN.
        """
        model.eval()
        metric = PerformanceMetric(images.task)
        size = min(self.training.batch_size, self.shard.micro_batch_size or self.training.batch_size)
        with explain_oom(self.run.key, size, "hardware.micro_batch_size"):
            for pixels, labels in images.batches(size, self.shard):
                inputs = images.inputs(pixels.to(self.device), self.backbone)
                with autocast(self.device, self.training.precision):
                    metric.update(model(inputs), labels)
        return metric.compute()

    def _save(self, path: str | Path, settings: str) -> None:
        tensors = checkpoint.prefixed("model", self.model.state_dict())
        tensors |= checkpoint.prefixed("best", self.best)
        tensors |= checkpoint.prefixed("optimizer", checkpoint.optimizer_tensors(self.stepper.optimizer))
        if self.stepper.ema is not None:
            tensors |= checkpoint.prefixed("ema", self.stepper.ema.module.state_dict())
        facts = {"settings": settings, "epoch": self.epoch, "history": self.history, "best": self.best_score}
        facts["scaler"] = self.stepper.scaler.state_dict()
        checkpoint.save(path, tensors, facts)

    def _resume(self, path: Path, settings: str) -> None:
        if not path.exists():
            return
        try:
            tensors, facts = checkpoint.load(path)
        except ValueError as error:
            if self.shard.rank == 0:
                aside = set_aside(path)
                log.warning("%s\nrenamed it to %s; training starts from the beginning", error, aside)
            return
        if facts["settings"] != settings:
            log.info("%s: checkpoint of other settings or code; training starts from the beginning", path)
            return
        self.model.load_state_dict(checkpoint.without_prefix("model", tensors))
        self.best = checkpoint.without_prefix("best", tensors)
        checkpoint.load_optimizer(self.stepper.optimizer, checkpoint.without_prefix("optimizer", tensors))
        self.stepper.scaler.load_state_dict(facts["scaler"])
        if self.stepper.ema is not None:
            self.stepper.ema.module.load_state_dict(checkpoint.without_prefix("ema", tensors))
        self.epoch, self.history = facts["epoch"], facts["history"]
        self.best_score = facts["best"]
        log.info("resuming after epoch %d", self.epoch)


def _percent(value: float) -> str | None:
    return None if math.isnan(value) else f"{value:.2f}"


def _on_cpu(model: torch.nn.Module) -> checkpoint.Tensors:
    """A copy of a model's parameters and buffers."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
