"""The training job of the workflow."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tokred import fingerprint
from tokred.data.in_memory import Source, hold_out
from tokred.data.read import check_classes, read_split
from tokred.models.factory import build_model, reset_classifier
from tokred.models.weights import load_backbone, save_weights
from tokred.run import Run
from tokred.runtime import distributed, launch
from tokred.runtime.device import raise_malloc_thresholds
from tokred.settings import Training
from tokred.settings.jobs import TrainJob, takes
from tokred.tables import schemas
from tokred.training.fit import describe, fit_batch_size
from tokred.training.loop import Trainer
from tokred.training.optimizer import with_new_classifier

log = logging.getLogger(__name__)


@takes(TrainJob)
def train(job: TrainJob) -> None:
    """Fine-tune one model; write its final weights and its history."""
    if launch.is_needed(job.hardware):
        return launch.run("tokred.training.job:train", job, Path(job.weights).parent)
    raise_malloc_thresholds()
    run, backbone, settings = job.run, job.model.backbone, job.training
    read = partial(
        read_split, backbone=backbone, access=job.images, workers=job.hardware.workers, dataset=run.source
    )
    train_images = read(job.train_table, split="train")
    test_images = None
    if job.test_table is not None:
        test_images = read(job.test_table, split="test")
        check_classes(train_images.classes, test_images.classes, job.test_table, job.train_table)
    network = build_model(
        run,
        backbone,
        job.model.options,
        job.model.locations,
        train_images.num_classes,
        settings.drop_path,
        job.model.schedule,
    )
    source, _ = load_backbone(network, backbone, job.pretrained, new_head=not job.keep_head)
    if not job.keep_head:
        reset_classifier(network, run, settings.classifier_init)
        settings = with_new_classifier(settings)
    facts = _facts(job) | {"training": settings.model_dump(mode="json")}
    facts["classes"] = list(train_images.classes)
    if job.test_table is not None:
        facts["inputs"]["test"] = fingerprint.file(job.test_table)
    facts["inputs"]["pretrained"] = source
    split = _split(run, settings, train_images, test_images)
    settings = fit_batch_size(settings, len(split[0]), job.hardware, distributed.world_size())
    log.info("%s", describe(settings, job.images, backbone.image_size, len(split[0])))
    trainer = Trainer(network, run, backbone, settings, *split, job.hardware)
    checkpoint = Path(job.weights).with_suffix(".state.safetensors")
    network.load_state_dict(trainer.fit(checkpoint, json.dumps(facts, sort_keys=True)))
    if distributed.rank() == 0:
        _write_history(job.history, run, trainer.history, facts)
        save_weights(network, job.weights, facts)
        checkpoint.unlink(missing_ok=True)  # missing after 0 epochs
    return None


def _facts(job: TrainJob) -> dict[str, Any]:
    """Metadata of the weights: all that determines them but the training settings."""
    return {
        "run": asdict(job.run),
        "model": job.model.model_dump(mode="json"),
        "images": job.images.model_dump(mode="json"),
        "code": {**schemas.code_of(job.train_table), **job.code},
        "inputs": {"train": fingerprint.file(job.train_table)},
    }


def _split(
    run: Run, settings: Training, images: Source, test_images: Source | None
) -> tuple[Source, Source | None]:
    """Training images, and the images by which the best epoch is selected."""
    if settings.selection == "holdout":
        return hold_out(images, settings.holdout, run.seed_for("holdout"))
    return images, test_images if settings.selection == "test" else None


def _write_history(
    path: str, run: Run, history: Sequence[Mapping[str, object]], facts: Mapping[str, object]
) -> None:
    schemas.write_rows(path, [{**asdict(run), **row} for row in history], schemas.HISTORY, facts)
