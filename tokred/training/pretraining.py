"""Pretraining: a backbone from scratch, on endless fresh pictures of `digits`.

Besides the class of the picture the network learns where the digit is (`tokred.training.object_losses`). What
predicts the tokens' classes belongs to the training, not to the weights that it writes.
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

#: Pictures of the training split on which the scales of residual stream and keys are measured.
NORMALIZED_ON = 256
#: Steps after which the state is saved and a row of the history is written.
INTERVAL = 500
_BETAS = (0.9, 0.98)
#: The learning rate's floor, as part of its peak.
_FLOOR = 0.01


class Pretrainer:
    """One pretraining: network, the classifier of its tokens, and optimizer.

    Nothing is drawn at random after the start, and the pictures of a step follow from its number, so the
    state after a step is complete.

    Args:
        vit: trained in place; moved to the device.
        backbone: normalization of its input.
        recipe: settings.
        hardware: what computes; at least one worker draws pictures.
        name: what messages call the training.
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

    def fit(self, state_path: str | Path, settings: str) -> None:
        """Train to the end.

        Args:
            state_path: file that holds the state, saved every `INTERVAL` steps; continued from where it
                exists. A damaged one is renamed, and the training starts from its beginning.
            settings: fingerprint of all that decides the result; a state of other settings is not used.
        """
        self._resume(Path(state_path), settings)
        steps = range(self.step, self.recipe.steps)
        batches = training_batches(steps, self.recipe.batch_size, self.backbone.grid, self.workers)
        blocks = range(self.recipe.guided_from, len(self.vit.blocks))
        totals, started = torch.zeros(2, device=self.device), time.monotonic()
        with observed(self.vit, blocks if self.recipe.attention_guidance else ()) as seen:
            # No bar where standard error is a log file.
            steps_left = tqdm(
                batches, "pretraining", self.recipe.steps, initial=self.step, leave=False, disable=None
            )
            for batch in steps_left:
                rate = self._set_learning_rate()
                totals += self._update(*self._losses(batch, seen))
                self.step += 1
                if self.step % INTERVAL == 0 or self.step == self.recipe.steps:
                    self._note(rate, totals, time.monotonic() - started)
                    self._save(state_path, settings)
                    totals, started = torch.zeros_like(totals), time.monotonic()

    def _losses(self, batch: PictureBatch, seen: Mapping[int, Observation]) -> tuple[Tensor, Tensor]:
        """The loss of the class, and the weighted ones of where the object is."""
        pixels, labels, objects = (tensor.to(self.device) for tensor in batch)
        features = self.vit.forward_features(normalize(pixels, self.backbone))
        loss = F.cross_entropy(self.vit.forward_head(features), labels)
        extra = torch.zeros_like(loss)
        if self.recipe.token_labels:
            logits = self.token_head(features[:, self.vit.num_prefix_tokens :])
            extra = extra + self.recipe.token_labels * token_label_loss(logits, labels, objects)
        if self.recipe.attention_guidance:
            guidance = [attention_guidance_loss(block.cls_attention, objects) for block in seen.values()]
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

    def _note(self, rate: float, totals: Tensor, seconds: float) -> None:
        """Add a row to the history; raises Diverged where the loss is not finite."""
        if not torch.isfinite(totals).all():
            raise Diverged(f"{self.name}: loss is not finite before step {self.step}; lower the `lr`")
        count = (self.step - 1) % INTERVAL + 1
        loss, extra = (totals / count).tolist()
        nothing = {"val_score": float("nan"), "val_score_ema": float("nan")}
        row = {"epoch": len(self.history) + 1, "lr": rate, "train_loss": loss, "extra_loss": extra}
        self.history.append({**row, **nothing, "seconds": seconds})
        log.info(
            "step %d/%d  loss %.4f  of tokens and attention %.4f  lr %.2e  seconds %.1f",
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
            log.warning("%s\nthe file is now %s, and the training starts anew", error, set_aside(path))
            return
        if facts["settings"] != settings:
            log.info("%s: state of other settings or code, training starts anew", path)
            return
        self.vit.load_state_dict(checkpoint.without_prefix("vit", tensors))
        self.token_head.load_state_dict(checkpoint.without_prefix("token_head", tensors))
        checkpoint.load_optimizer(self.optimizer, checkpoint.without_prefix("optimizer", tensors))
        self.step, self.history = facts["step"], facts["history"]
        log.info("continuing after step %d", self.step)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Rate at a step, counted from 0: a linear warm-up from 0, times a cosine down to a hundredth."""
    warmup = min(1.0, step / recipe.warmup_steps) if recipe.warmup_steps else 1.0
    cosine = (1 + math.cos(math.pi * step / recipe.steps)) / 2
    return recipe.lr * warmup * (_FLOOR + (1 - _FLOOR) * cosine)


@takes(PretrainJob)
def pretrain(job: PretrainJob) -> None:
    """Train a backbone from scratch; write its weights, its history and its properties.

    Raises:
        ValueError: the backbone is not of the pictures' size.
    """
    raise_malloc_thresholds()
    run, backbone = job.run, job.model.backbone
    if backbone.image_size != synthetic.SIZE:
        raise ValueError(
            f"pretraining of {run.backbone}: image_size {backbone.image_size}, but the pictures of digits "
            f"have {synthetic.SIZE} x {synthetic.SIZE} pixels"
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
    state = Path(job.checkpoint).with_suffix(".state.safetensors")
    trainer.fit(state, json.dumps(facts, sort_keys=True))
    found = finish(vit.cpu().eval(), backbone, job.recipe)
    rows = [{**asdict(run), **row} for row in trainer.history]
    schemas.write_rows(job.history, rows, schemas.HISTORY, facts)
    with atomic_path(job.properties) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    save_weights(vit, job.checkpoint, {**facts, "properties": found}, half=True)
    state.unlink()


def finish(vit: VisionTransformer, backbone: Backbone, recipe: Recipe) -> dict[str, object]:
    """Normalize a trained ViT and round it to half precision, in place; returns its measured properties."""
    batch = pictures("train", 0, NORMALIZED_ON, backbone.grid)
    inputs = normalize(batch.pixels, backbone)
    normalize_backbone(vit, inputs, batch.objects, recipe.squared_distance, recipe.key_offset)
    round_to_half(vit)
    return measure_on_digits(vit, backbone)
