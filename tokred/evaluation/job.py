"""The workflow's extraction job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tokred import fingerprint
from tokred.data.read import check_classes, read_split
from tokred.evaluation.extract import Outputs, extract
from tokred.models.factory import build_model
from tokred.models.weights import load_weights
from tokred.runtime.device import raise_malloc_thresholds, resolve
from tokred.settings.jobs import ExtractJob, takes


@takes(ExtractJob)
def extract_run(job: ExtractJob) -> None:
    """Pass the test split through a trained model and write its four tables (`tokred.evaluation.extract`)."""
    raise_malloc_thresholds()
    run, model = job.run, job.model
    split = read_split(job.test_table, model.backbone, job.images, job.hardware.workers, run.source, "test")
    network = build_model(run, model.backbone, model.options, model.locations, split.num_classes)
    expected = {"run": asdict(run), "model": model.model_dump(mode="json")}
    learned = load_weights(network, job.checkpoint, whole=True, expected=expected)
    check_classes(learned.get("classes", split.classes), split.classes, job.test_table, job.checkpoint)
    network.to(resolve(job.hardware.device))
    facts: dict[str, Any] = {
        "run": asdict(run),
        "locations": model.locations,
        "grid": list(model.backbone.grid),
    }
    facts |= {"depth": model.backbone.depth, "checkpoint": fingerprint.file(job.checkpoint)}
    facts["code"] = {**learned.get("code", {}), **job.code}
    outputs = Outputs(job.predictions, job.patterns, job.features, job.score)
    extract(network, run, model.backbone, split, job.batch_size, outputs, facts, job.precision)
