"""The workflow's jobs that run trained models on the test split."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tokred import fingerprint
from tokred.data.in_memory import Source
from tokred.data.read import check_classes, read_split
from tokred.evaluation import robustness
from tokred.evaluation.extract import Outputs, extract
from tokred.models.factory import build_model
from tokred.models.reduced import ReducedModel
from tokred.models.weights import load_weights
from tokred.runtime.device import raise_malloc_thresholds, resolve
from tokred.settings.jobs import CorruptJob, EvaluationJob, ExtractJob, takes


@takes(ExtractJob)
def extract_run(job: ExtractJob) -> None:
    """Run a trained model on the test split and write its four tables (`tokred.evaluation.extract`)."""
    network, split, facts = _loaded(job)
    extract(
        network,
        job.run,
        job.model.backbone,
        split,
        job.batch_size,
        Outputs(job.predictions, job.patterns, job.features, job.score),
        facts,
        job.precision,
        locations=job.model.locations,
    )


@takes(CorruptJob)
def evaluate_corrupted(job: CorruptJob) -> None:
    """Run a trained model on corrupted images of the test split (`tokred.evaluation.robustness`)."""
    network, split, facts = _loaded(job)
    rows = robustness.evaluate(network, job.run, job.model.backbone, split, job.batch_size, job.precision)
    robustness.write(job.robustness, job.run, rows, facts)


def _loaded(job: EvaluationJob) -> tuple[ReducedModel, Source, dict[str, Any]]:
    """The trained model on its device, the test split, and facts for the metadata of the job's tables."""
    raise_malloc_thresholds()
    run, model = job.run, job.model
    split = read_split(job.test_table, model.backbone, job.images, job.hardware.workers, run.source, "test")
    network = build_model(
        run,
        model.backbone,
        model.options,
        model.locations,
        split.num_classes,
        schedule=model.schedule,
    )
    expected = {"run": asdict(run), "model": model.model_dump(mode="json")}
    stored = load_weights(network, job.weights, whole=True, expected=expected)
    check_classes(stored.get("classes", split.classes), split.classes, job.test_table, job.weights)
    network.to(resolve(job.hardware.device))
    facts: dict[str, Any] = {
        "run": asdict(run),
        "locations": model.locations,
        "grid": list(model.backbone.grid),
    }
    if model.schedule is not None:
        facts["kept"] = network.tokens_after(model.locations)
    facts |= {"depth": model.backbone.depth, "checkpoint": fingerprint.file(job.weights)}
    facts["code"] = {**stored.get("code", {}), **job.code}
    return network, split, facts
