"""What the workflow's training jobs do: from plain values (paths, numbers, dictionaries) to files."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tokred import fingerprint
from tokred.data.in_memory import Source, hold_out
from tokred.data.read import check_classes, read_split
from tokred.models.factory import build_model, reset_classifier
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.models.weights import give_weights, load_weights, save_weights, timm_weights
from tokred.runtime import distributed, launch
from tokred.runtime.device import keep_freed_memory
from tokred.study import Backbone, Hardware, ImageAccess, Training
from tokred.study.run import Run
from tokred.tables import schemas
from tokred.training.fit import describe, fitted
from tokred.training.loop import Trainer

log = logging.getLogger(__name__)


def train(
    run: Mapping[str, object],
    model: Mapping[str, object],
    training: Mapping[str, object],
    code: Mapping[str, str],
    pretrained: str | None,
    keep_head: bool,
    train_table: str,
    test_table: str | None,
    checkpoint: str,
    history: str,
    images: Mapping[str, object] = MappingProxyType({}),
    hardware: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Fine-tune one model and write its weights and its history.

    Args:
        run: fields of the `Run`.
        model: "backbone" (fields of `Backbone`), "options" of the method, "locations".
        training: fields of `Training`.
        code: by stage, the fingerprint of the code that does it, stored with the weights and the history.
        pretrained: weights to start from; None: timm's own for the backbone.
        keep_head: whether the pretrained classifier is of this data set's classes.
        train_table, test_table: image tables; the latter only where epochs are chosen on the test split.
        checkpoint, history: outputs. The state of an unfinished training lies beside the checkpoint.
        images: fields of `ImageAccess`.
        hardware: fields of `Hardware`; with several processes they are started here.
    """
    given, machine = dict(locals()), Hardware(**hardware)
    if launch.needed(machine):
        return launch.run("tokred.training.job:train", given, machine, Path(checkpoint).parent)
    keep_freed_memory()
    identity, settings = Run(**run), Training(**training)
    backbone, access = Backbone(**model["backbone"]), ImageAccess(**images)
    read = partial(
        read_split, backbone=backbone, access=access, workers=machine.workers, dataset=identity.source
    )
    train_images = read(train_table, split="train")
    test_images = None if test_table is None else read(test_table, split="test")
    if test_images is not None:
        check_classes(train_images.classes, test_images.classes, test_table, train_table)
    network = build_model(
        identity,
        backbone,
        model["options"],
        model["locations"],
        train_images.num_classes,
        settings.drop_path,
    )
    source = _start_from(network, backbone, pretrained, keep_head)
    if not keep_head:
        reset_classifier(network, identity, settings.classifier_init)
    facts = {"run": asdict(identity), "model": dict(model), "training": dict(training)}
    facts |= {"images": dict(images), "code": {**_code_of(train_table), **code}}
    facts["classes"] = list(train_images.classes)
    files = {"train": train_table, "test": test_table}
    facts["inputs"] = {name: fingerprint.file(path) for name, path in files.items() if path is not None}
    facts["inputs"]["pretrained"] = source
    split = _split(identity, settings, train_images, test_images)
    settings = fitted(settings, len(split[0]), machine, distributed.count())
    log.info("%s", describe(settings, access, backbone.image_size, len(split[0])))
    trainer = Trainer(network, identity, backbone, settings, *split, machine)
    state = Path(checkpoint).with_suffix(".state.safetensors")
    network.load_state_dict(trainer.fit(state, json.dumps(facts, sort_keys=True)))
    if distributed.rank() == 0:
        _write_history(history, identity, trainer.history, facts)
        save_weights(network, checkpoint, facts)
        state.unlink(missing_ok=True)  # without epochs there is none
    return None


def _start_from(
    network: ReducedVisionTransformer, backbone: Backbone, pretrained: str | None, keep_head: bool
) -> str:
    """Give a network its pretrained weights; returns what identifies them."""
    if pretrained is not None:
        load_weights(network, pretrained, new_head=not keep_head)
        return fingerprint.file(pretrained)
    tensors = timm_weights(backbone)
    give_weights(network, tensors, f"timm's weights of {backbone.model}", new_head=not keep_head)
    return fingerprint.tensors(tensors)


def _code_of(table: str) -> dict[str, str]:
    """The code that made a table, by stage."""
    return dict(schemas.metadata(table).get("code", {}))


def _split(
    run: Run, settings: Training, images: Source, test_images: Source | None
) -> tuple[Source, Source | None]:
    """Images to learn from, and images to choose an epoch by."""
    if settings.selection == "holdout":
        return hold_out(images, settings.holdout, run.seed_for("holdout"))
    return images, test_images if settings.selection == "test" else None


def _write_history(
    path: str, run: Run, history: Sequence[Mapping[str, object]], facts: Mapping[str, object]
) -> None:
    schemas.write_rows(path, [{**asdict(run), **row} for row in history], schemas.HISTORY, facts)
