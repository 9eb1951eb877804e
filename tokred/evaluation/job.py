"""The extraction job of the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tokred import fingerprint
from tokred.data.read import check_classes, read_split
from tokred.evaluation.extract import Outputs, extract
from tokred.models.factory import build_model
from tokred.models.reduced import ReducedModel
from tokred.models.weights import load_backbone, load_weights
from tokred.runtime.device import raise_malloc_thresholds, resolve
from tokred.settings.jobs import ExtractJob, takes
from tokred.tables import schemas


@takes(ExtractJob)
def extract_run(job: ExtractJob) -> None:
    """Run a model on the test split and write its four tables (`tokred.evaluation.extract`)."""
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
    origin = _load(network, job, split.classes)
    network.to(resolve(job.hardware.device))
    facts: dict[str, Any] = {
        "run": asdict(run),
        "locations": model.locations,
        "grid": list(model.backbone.grid),
    }
    if model.schedule is not None:
        facts["kept"] = network.tokens_after(model.locations)
    facts |= {"depth": model.backbone.depth, **origin}
    outputs = Outputs(job.predictions, job.patterns, job.features, job.score)
    extract(
        network,
        run,
        model.backbone,
        split,
        job.batch_size,
        outputs,
        facts,
        job.precision,
        locations=model.locations,
    )


def _load(network: ReducedModel, job: ExtractJob, classes: Sequence[str]) -> dict[str, Any]:
    """Load a job's weights into its network.

    Args:
        classes: those of the test split.

    Returns:
        Metadata of the tables: fingerprints of the weights ("checkpoint" of a trained model, "backbone" of
        one that is not) and of all code behind the tables ("code").
    """
    if not job.trained:
        backbone, stored = load_backbone(network, job.model.backbone, job.weights)
        _check_classes(stored, classes, job)
        return {"backbone": backbone, "code": {**schemas.code_of(job.test_table), **job.code}}
    assert job.weights is not None  # checked by the job's model
    expected = {"run": asdict(job.run), "model": job.model.model_dump(mode="json")}
    stored = load_weights(network, job.weights, whole=True, expected=expected)
    _check_classes(stored, classes, job)
    code = {**stored.get("code", {}), **job.code}
    return {"checkpoint": fingerprint.file(job.weights), "code": code}


def _check_classes(stored: Mapping[str, Any], classes: Sequence[str], job: ExtractJob) -> None:
    """Raises ValueError for a test split with other classes than those stored with the weights, if any are."""
    check_classes(stored.get("classes", classes), classes, job.test_table, str(job.weights))
