"""What all rules share: the validated study, paths, wildcards, and the worker that has torch loaded."""

from dataclasses import asdict
from pathlib import Path

from tokred import fingerprint, shipped, worker
from tokred.artifacts.registry import ARTIFACTS
from tokred.config import Study
from tokred.config import parse as parse_config
from tokred.datasets.registry import ADAPTERS
from tokred.methods.registry import METHODS
from tokred.run import RUN_COLUMNS, RUN_PATH, Run
from tokred.workflow import explain_errors

with explain_errors():
    STUDY = parse_config(Study, config, "configuration of the study")

VIEW = STUDY.view()
RESULTS = f"results/{STUDY.study}"
LOGS = f"{RESULTS}/logs"
ENVIRONMENT = "../envs/cpu.yaml"


wildcard_constraints:
    dataset="|".join([*STUDY.settings.datasets, "pretraining"]),
    backbone="|".join(STUDY.settings.backbones),
    method="|".join(METHODS),
    keep_rate=r"[01]\.[0-9][0-9]+",
    seed=r"[0-9]+",
    split="train|test",
    figure="|".join(name for name, artifact in ARTIFACTS.items() if artifact.kind == "figure"),
    table="|".join(name for name, artifact in ARTIFACTS.items() if artifact.kind == "table"),


def run_of(wildcards):
    """The run that a rule's wildcards name."""
    return Run.of(wildcards)


def paths(stage, **selection):
    """A stage's files of all runs of the study in which the named fields have the given values."""
    chosen = (
        run for run in STUDY.runs() if all(str(getattr(run, k)) == str(v) for k, v in selection.items())
    )
    return [f"{RESULTS}/{stage}/{RUN_PATH.format(**asdict(run))}.parquet" for run in chosen]


def model_of(run):
    """What decides a run's network: its backbone, its method's options, the stages' places."""
    backbone = STUDY.settings.backbones[run.backbone].model_dump(mode="json", exclude={"weights"})
    options = asdict(METHODS[run.method].check_options(STUDY.method(run.method).options))
    return {"backbone": backbone, "options": options, "locations": STUDY.locations}


def method_modules(wildcards):
    """The module of a run's method, whose code its results depend on."""
    return [METHODS[wildcards.method].target.partition(":")[0]]


def start_worker():
    """Load torch once for all jobs of this machine; clusters and conda environments go without."""
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        worker.start()
