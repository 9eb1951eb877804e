"""What the workflow's torch jobs do: from plain values (paths, numbers, dictionaries) to files."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tokred import fingerprint, tables
from tokred.build import build_model
from tokred.config import Backbone, Training
from tokred.extract import Outputs, extract
from tokred.run import Run
from tokred.training.data import Images
from tokred.training.growth import deepen
from tokred.training.loop import Trainer
from tokred.vit import ReducedVisionTransformer
from tokred.weights import load_weights, save_weights

log = logging.getLogger(__name__)


def train(
    run: Mapping[str, object],
    model: Mapping[str, object],
    training: Mapping[str, object],
    code: str,
    pretrained: str,
    keep_head: bool,
    train_table: str,
    test_table: str | None,
    checkpoint: str,
    history: str,
) -> None:
    """Fine-tune one model and write its weights and its history.

    Args:
        run: fields of the `Run`.
        model: "backbone" (fields of `Backbone`), "options" of the method, "locations".
        training: fields of `Training`.
        code: fingerprint of the code, stored with the weights.
        pretrained: weights to start from.
        keep_head: whether the pretrained classifier is of this data set's classes.
        train_table, test_table: image tables; the latter only where epochs are chosen on the test split.
        checkpoint, history: outputs. The state of an unfinished training lies beside the checkpoint.
    """
    identity, settings = Run(**run), Training(**training)
    backbone = Backbone(**model["backbone"])
    images = Images.read(train_table, backbone.image_size)
    network = _build(identity, backbone, model, images.num_classes, settings.drop_path)
    load_weights(network, pretrained, new_head=not keep_head)
    test_images = None if test_table is None else Images.read(test_table, backbone.image_size)
    facts = {"run": asdict(identity), "model": dict(model), "training": dict(training), "code": code}
    files = {"train": train_table, "test": test_table, "pretrained": pretrained}
    facts["inputs"] = {name: fingerprint.file(path) for name, path in files.items() if path is not None}
    trainer = Trainer(network, identity, backbone, settings, *_split(identity, settings, images, test_images))
    state = Path(checkpoint).with_suffix(".state.safetensors")
    network.load_state_dict(trainer.fit(state, json.dumps(facts, sort_keys=True)))
    _write_history(history, identity, trainer.history, facts)
    save_weights(network, checkpoint, {"tokred": json.dumps(facts, sort_keys=True)})
    state.unlink()


def pretrain(
    run: Mapping[str, object],
    model: Mapping[str, object],
    phases: Sequence[Mapping[str, object]],
    code: str,
    train_table: str,
    checkpoint: str,
    history: str,
) -> None:
    """Train a backbone from scratch and write its weights in half precision.

    Args:
        phases: "depth" and "training" of each; the network of a phase begins as what the last one learned,
            deepened by blocks that do nothing yet (`tokred.training.growth`).
        run, model, code, train_table, checkpoint, history: as for `train`.
    """
    identity, backbone = Run(**run), Backbone(**model["backbone"])
    images = Images.read(train_table, backbone.image_size)
    facts = {"run": asdict(identity), "model": dict(model), "phases": list(phases), "code": code}
    facts["inputs"] = {"train": fingerprint.file(train_table)}
    rows, states, network = [], [], None
    for index, phase in enumerate(phases):
        settings = Training(**phase["training"])
        learned = network
        shape = backbone.model_copy(update={"depth": phase["depth"]})
        # The unreduced model has no stages; its features may be traced anywhere.
        network = build_model(identity, shape, {}, (0,), images.num_classes, settings.drop_path)
        if learned is not None:
            deepen(learned, network)
        states.append(Path(checkpoint).with_suffix(f".state{index}.safetensors"))
        trainer = Trainer(network, identity, shape, settings, *_split(identity, settings, images, None))
        network.load_state_dict(trainer.fit(states[-1], json.dumps([facts, index], sort_keys=True)))
        rows += [{**row, "epoch": len(rows) + row["epoch"]} for row in trainer.history]
    _write_history(history, identity, rows, facts)
    save_weights(network, checkpoint, {"tokred": json.dumps(facts, sort_keys=True)}, half=True)
    for state in states:
        state.unlink()


def extract_run(
    run: Mapping[str, object],
    model: Mapping[str, object],
    batch_size: int,
    code: str,
    checkpoint: str,
    test_table: str,
    outputs: Mapping[str, str],
) -> None:
    """Pass the test split through a trained model and write its four tables, see `tokred.extract`."""
    identity, backbone = Run(**run), Backbone(**model["backbone"])
    images = Images.read(test_table, backbone.image_size)
    network = _build(identity, backbone, model, images.num_classes)
    load_weights(network, checkpoint, whole=True)
    facts = {"run": asdict(identity), "locations": list(model["locations"]), "grid": list(backbone.grid)}
    facts |= {"depth": backbone.depth, "checkpoint": fingerprint.file(checkpoint), "code": code}
    extract(network, identity, backbone, images, batch_size, Outputs(**outputs), facts)


def _build(
    run: Run, backbone: Backbone, model: Mapping[str, object], num_classes: int, drop_path: float = 0.0
) -> ReducedVisionTransformer:
    return build_model(run, backbone, model["options"], model["locations"], num_classes, drop_path)


def _split(
    run: Run, settings: Training, images: Images, test_images: Images | None
) -> tuple[Images, Images | None]:
    """Images to learn from, and images to choose an epoch by."""
    if settings.selection == "holdout":
        return images.hold_out(settings.holdout, run.seed_for("holdout"))
    return images, test_images if settings.selection == "test" else None


def _write_history(
    path: str, run: Run, history: Sequence[Mapping[str, object]], facts: Mapping[str, object]
) -> None:
    tables.write_rows(path, [{**asdict(run), **row} for row in history], tables.HISTORY, facts)
