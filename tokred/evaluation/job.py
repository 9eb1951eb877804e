"""What the workflow's extraction jobs do: from plain values (paths, numbers, dictionaries) to files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType

from tokred import fingerprint
from tokred.data.read import check_classes, read_split
from tokred.evaluation.extract import Outputs, extract
from tokred.models.factory import build_model
from tokred.models.weights import load_weights
from tokred.runtime.device import keep_freed_memory, resolve
from tokred.study import Backbone, Hardware, ImageAccess
from tokred.study.run import Run


def extract_run(
    run: Mapping[str, object],
    model: Mapping[str, object],
    batch_size: int,
    code: Mapping[str, str],
    checkpoint: str,
    test_table: str,
    outputs: Mapping[str, str],
    precision: str = "float32",
    images: Mapping[str, object] = MappingProxyType({}),
    hardware: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Pass the test split through a trained model and write its four tables (`tokred.evaluation.extract`)."""
    keep_freed_memory()
    identity, backbone, machine = Run(**run), Backbone(**model["backbone"]), Hardware(**hardware)
    access = ImageAccess(**images)
    split = read_split(test_table, backbone, access, machine.workers, identity.source, "test")
    network = build_model(identity, backbone, model["options"], model["locations"], split.num_classes)
    expected = {"run": asdict(identity), "model": dict(model)}
    learned = load_weights(network, checkpoint, whole=True, expected=expected)
    check_classes(learned.get("classes", split.classes), split.classes, test_table, checkpoint)
    network.to(resolve(machine.device))
    facts = {"run": asdict(identity), "locations": list(model["locations"]), "grid": list(backbone.grid)}
    facts |= {"depth": backbone.depth, "checkpoint": fingerprint.file(checkpoint)}
    facts["code"] = {**learned.get("code", {}), **code}
    extract(network, identity, backbone, split, batch_size, Outputs(**outputs), facts, precision)
