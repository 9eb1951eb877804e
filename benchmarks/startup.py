"""Imports of jobs, and the time until the first step of a training."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from unittest import mock

from benchmarks.calls import ROOT
from benchmarks.process import alone
from benchmarks.row import Goal, Row, Scale
from tokred.orchestration import job_runner

_NONE, _START = Goal("<=", 0), Goal("<=", 3)
#: Modules that a job loads, by its kind.
ENTRIES = {
    "train, extract": ("tokred.training.job", "tokred.evaluation.job"),
    "torch and its optimizers, nothing else": ("torch", "torch._dynamo"),
    "compare patterns": (
        "tokred.comparison.job",
        "tokred.comparison.methods",
        "tokred.comparison.keep_rates",
    ),
    "compare features": ("tokred.comparison.job", "tokred.comparison.features"),
    "render a figure": (
        "tokred.artifacts.render",
        "tokred.artifacts.lines",
        "matplotlib.backends.backend_agg",
    ),
}
#: Kinds of jobs that need no networks.
WITHOUT_TORCH = ("compare patterns", "compare features", "render a figure")
#: What a job's script does.
_SCRIPT = "import json, sys; from tokred.orchestration.job_runner import run_job; "
_SCRIPT += "run_job(**json.loads(sys.argv[1]))"


def loaded(modules: tuple[str, ...]) -> list[str]:
    """Names of all modules that are loaded by the imports of a job; to be called in a separate process."""
    job_runner.import_frozen(*modules)
    return sorted(sys.modules)


def time_to_first_step(folder: Path, training: Mapping[str, object]) -> float:
    """Wall time in seconds from the start of a job's process to the end of its first step."""
    found = folder / "seconds.txt"
    found.unlink(missing_ok=True)
    arguments = {"job": training, "started": time.time(), "found": str(found)}
    job = {"target": "benchmarks.first_step:reach", "arguments": arguments, "threads": 1}
    call = [sys.executable, "-c", _SCRIPT, json.dumps({**job, "log": str(folder / "log.txt")})]
    subprocess.run(call, check=True)
    return float(found.read_text(encoding="utf-8"))


def a_training(folder: Path) -> dict[str, object]:
    """A `TrainJob`, in plain values, for a small backbone from its shipped weights."""
    from tokred.data.prepare import prepare
    from tokred.models import shipped
    from tokred.run import Run
    from tokred.settings import Backbone, Training

    table = folder / "train.parquet"
    prepare("digits", "digits", "train", {"num_train": 64}, str(table))
    size = {"embed_dim": 48, "num_heads": 3, "weight_init": "jax"}
    backbone = Backbone(model="vit_tiny_patch16_224", image_size=30, patch_size=3, kwargs=size)
    return {
        "run": asdict(Run("digits", "vit_nano", "topk", "0.50", 0)),
        "model": {"backbone": backbone.model_dump(mode="json"), "options": {}, "locations": [3, 6, 9]},
        "training": Training(epochs=1, warmup_epochs=0.5, batch_size=32, selection="last").model_dump(),
        "code": {},
        "pretrained": str(shipped.path("vit_nano")),
        "keep_head": True,
        "train_table": str(table),
        "test_table": None,
        "weights": str(folder / "checkpoint.safetensors"),
        "history": str(folder / "history.parquet"),
    }


def measure(scale: Scale) -> Iterator[Row]:
    """Processor time of imports on one core; wall time to the first step."""
    for kind, modules in ENTRIES.items():
        found = [alone(loaded, modules) for _ in range(scale.of(5, 1))]
        seconds = statistics.median(run.cpu for run in found)
        yield Row(f"import for: {kind}", seconds, "s", None, f"{len(found[0].value)} modules")
        if kind in WITHOUT_TORCH:
            torch = sum(name.partition(".")[0] == "torch" for name in found[0].value)
            yield Row(f"torch's modules for: {kind}", torch, "modules", _NONE)
    yield from _first_steps(scale)


def _first_steps(scale: Scale) -> Iterator[Row]:
    training, repeats = a_training(scale.folder), scale.of(5, 1)
    # As Snakemake calls a job of one thread, with compiled modules kept as Python does by default.
    with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT), **job_runner.ONE_THREAD):
        for name in (job_runner.VARIABLE, "PYTHONDONTWRITEBYTECODE"):
            os.environ.pop(name, None)
        alone = [time_to_first_step(scale.folder, training) for _ in range(repeats)]
        server = job_runner.start()
        served = [time_to_first_step(scale.folder, training) for _ in range(1 + repeats)]
    if server is not None:
        server.kill()
        server.wait()
    yield Row("first step of a training", statistics.median(alone), "s", _START, "wall time")
    # The first waits for the worker's imports.
    yield Row("first step, with a worker", statistics.median(served[1:]), "s", _START, "wall time")
