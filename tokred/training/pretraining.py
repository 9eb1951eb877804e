"""Pretraining of a backbone from scratch, on an unlimited number of generated images of `digits`.

The network learns the class of the image, and which of its tokens show the digit
(`tokred.training.object_losses`). The head for the classes of tokens is not among the final weights.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from tqdm import tqdm

from tokred.data import synthetic
from tokred.data.fresh_pictures import PictureBatch, pictures, training_batches
from tokred.data.in_memory import normalize
from tokred.evaluation.digit_properties import measure_on_digits
from tokred.files import atomic_path, set_aside
from tokred.models.factory import build_vit
from tokred.models.observation import Observation, observed
from tokred.models.weights import round_to_half, save_weights
from tokred.runtime.device import raise_malloc_thresholds, resolve
from tokred.settings import Backbone, Hardware
from tokred.settings.jobs import PretrainJob, takes
from tokred.settings.pretraining import Recipe
from tokred.tables import schemas
from tokred.training import checkpoint
from tokred.training.diverged import Diverged
from tokred.training.normalization import normalize_backbone
from tokred.training.object_losses import attention_guidance_loss, token_label_loss

log = logging.getLogger(__name__)

#: Images of the training split on which the scales of residual stream and keys are measured.
NORMALIZED_ON = 256
#: Steps between two checkpoints, and between two rows of the history.
INTERVAL = 500
_BETAS = (0.9, 0.98)
#: Final learning rate, as a fraction of the peak.
_FLOOR = 0.01


class Pretrainer:
    """One pretraining: network, head for the classes of tokens, and optimizer.

    Only the initial weights are random, and the images of a step derive from its number, so that a checkpoint
    needs no state of a random number generator.

    Args:
        vit: trained in place, and moved to the device.
        backbone: normalization of its input.
        recipe: settings.
        hardware: device, and number of workers, of which at least one generates images.
        name: name of the training in messages.
    """

    def __init__(
        self, vit: VisionTransformer, backbone: Backbone, recipe: Recipe, hardware: Hardware, name: str
    ) -> None:
        self.backbone, self.recipe, self.name = backbone, recipe, name
        self.workers = max(1, hardware.workers)
        self.device = resolve(hardware.device)
        self.vit = vit.to(self.device).train()
        self.token_head = nn.Linear(vit.embed_dim, vit.num_classes + 1).to(self.device)
        parameters = [*vit.parameters(), *self.token_head.parameters()]
        groups = [
            {
                "params": [parameter for parameter in parameters if (parameter.ndim > 1) == decays],
                "weight_decay": recipe.weight_decay if decays else 0.0,
            }
            for decays in (True, False)
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=_BETAS, fused=True)
        self.step = 0
        self.history: list[dict[str, float]] = []

    def fit(self, checkpoint_path: str | Path, settings: str) -> None:
        """Train to the end.

        Args:
            checkpoint_path: the checkpoint, written every `INTERVAL` steps, from which training resumes if it
                exists. If it is damaged, it is renamed, and training starts from the beginning.
            settings: everything that determines the result; checkpoints of other settings are ignored.
        """
        self._resume(Path(checkpoint_path), settings)
        steps = range(self.step, self.recipe.steps)
        batches = training_batches(steps, self.recipe.batch_size, self.backbone.grid, self.workers)
        blocks = range(self.recipe.guided_from, len(self.vit.blocks))
        totals, started = torch.zeros(2, device=self.device), time.monotonic()
        with observed(self.vit, blocks if self.recipe.attention_guidance else ()) as observations:
            # No bar where standard error is a log file.
            steps_left = tqdm(
                batches, "pretraining", self.recipe.steps, initial=self.step, leave=False, disable=None
            )
            for batch in steps_left:
                rate = self._set_learning_rate()
                totals += self._update(*self._losses(batch, observations))
                self.step += 1
                if self.step % INTERVAL == 0 or self.step == self.recipe.steps:
                    self._record(rate, totals, time.monotonic() - started)
                    self._save(checkpoint_path, settings)
                    totals, started = torch.zeros_like(totals), time.monotonic()

    def _losses(self, batch: PictureBatch, observations: Mapping[int, Observation]) -> tuple[Tensor, Tensor]:
        """The classification loss, and the weighted sum of the losses of the object's location."""
        pixels, labels, objects = (tensor.to(self.device) for tensor in batch)
        features = self.vit.forward_features(normalize(pixels, self.backbone))
        loss = F.cross_entropy(self.vit.forward_head(features), labels)
        extra = torch.zeros_like(loss)
        if self.recipe.token_labels:
            logits = self.token_head(features[:, self.vit.num_prefix_tokens :])
            extra = extra + self.recipe.token_labels * token_label_loss(logits, labels, objects)
        if self.recipe.attention_guidance:
            guidance = [
                attention_guidance_loss(block.cls_attention, objects) for block in observations.values()
            ]
            extra = extra + self.recipe.attention_guidance * torch.stack(guidance).mean()
        return loss, extra

    def _update(self, loss: Tensor, extra: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        (loss + extra).backward()
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_grad)
        self.optimizer.step()
        return torch.stack([loss.detach(), extra.detach()])

    def _set_learning_rate(self) -> float:
        rate = learning_rate(self.recipe, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _record(self, rate: float, totals: Tensor, seconds: float) -> None:
        """Add a row to the history; raises Diverged if the loss is not finite."""
        if not torch.isfinite(totals).all():
            raise Diverged(f"{self.name}: loss is not finite before step {self.step}; lower the `lr`")
        count = (self.step - 1) % INTERVAL + 1
        loss, extra = (totals / count).tolist()
        not_measured = {"val_score": float("nan"), "val_score_ema": float("nan")}
        row = {"epoch": len(self.history) + 1, "lr": rate, "train_loss": loss, "extra_loss": extra}
        self.history.append({**row, **not_measured, "seconds": seconds})
        log.info(
            "step %d/%d  loss %.4f  loss of tokens and attention %.4f  lr %.2e  seconds %.1f",
            *(self.step, self.recipe.steps, loss, extra, rate, seconds),
        )

    def _save(self, path: str | Path, settings: str) -> None:
        tensors = checkpoint.prefixed("vit", self.vit.state_dict())
        tensors |= checkpoint.prefixed("token_head", self.token_head.state_dict())
        tensors |= checkpoint.prefixed("optimizer", checkpoint.optimizer_tensors(self.optimizer))
        checkpoint.save(path, tensors, {"settings": settings, "step": self.step, "history": self.history})

    def _resume(self, path: Path, settings: str) -> None:
        if not path.exists():
            return
        try:
            tensors, facts = checkpoint.load(path)
        except ValueError as error:
            log.warning("%s\nrenamed it to %s; training starts from the beginning", error, set_aside(path))
            return
        if facts["settings"] != settings:
            log.info("%s: checkpoint of other settings or code; training starts from the beginning", path)
            return
        self.vit.load_state_dict(checkpoint.without_prefix("vit", tensors))
        self.token_head.load_state_dict(checkpoint.without_prefix("token_head", tensors))
        checkpoint.load_optimizer(self.optimizer, checkpoint.without_prefix("optimizer", tensors))
        self.step, self.history = facts["step"], facts["history"]
        log.info("resuming after step %d", self.step)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Learning rate at a step, counted from 0: linear warm-up, times a cosine that falls to `_FLOOR`."""
    warmup = min(1.0, step / recipe.warmup_steps) if recipe.warmup_steps else 1.0
    cosine = (1 + math.cos(math.pi * step / recipe.steps)) / 2
    return recipe.lr * warmup * (_FLOOR + (1 - _FLOOR) * cosine)


@takes(PretrainJob)
def pretrain(job: PretrainJob) -> None:
    """Train a backbone from scratch; write its final weights, its history and its measured properties.

    Raises:
        ValueError: the backbone's image size is not that of `digits`.
    """
    raise_malloc_thresholds()
    run, backbone = job.run, job.model.backbone
    if backbone.image_size != synthetic.SIZE:
        raise ValueError(
            f"pretraining of {run.backbone}: found image_size {backbone.image_size}, expected "
            f"{synthetic.SIZE}, the size of the images of digits"
        )
    torch.manual_seed(run.seed_for("init"))
    vit = build_vit(backbone, len(synthetic.CLASSES))
    trainer = Pretrainer(vit, backbone, job.recipe, job.hardware, run.key)
    facts = {
        "run": asdict(run),
        "model": job.model.model_dump(mode="json"),
        "recipe": job.recipe.model_dump(mode="json"),
        "code": job.code,
    }
    checkpoint_path = Path(job.weights).with_suffix(".state.safetensors")
    trainer.fit(checkpoint_path, json.dumps(facts, sort_keys=True))
    properties = finish(vit.cpu().eval(), backbone, job.recipe)
    rows = [{**asdict(run), **row} for row in trainer.history]
    schemas.write_rows(job.history, rows, schemas.HISTORY, facts)
    with atomic_path(job.properties) as temporary:
        temporary.write_text(json.dumps(properties, indent=1) + "\n", encoding="utf-8")
    save_weights(vit, job.weights, {**facts, "properties": properties}, half=True)
    checkpoint_path.unlink()


def finish(vit: VisionTransformer, backbone: Backbone, recipe: Recipe) -> dict[str, object]:
    """Normalize a trained ViT and round it to half precision, in place; returns its measured properties."""
    batch = pictures("train", 0, NORMALIZED_ON, backbone.grid)
    inputs = normalize(batch.pixels, backbone)
    normalize_backbone(vit, inputs, batch.objects, recipe.squared_distance, recipe.key_offset)
    round_to_half(vit)
    return measure_on_digits(vit, backbone, recipe.test_images)
