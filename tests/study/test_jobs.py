"""What jobs are told is validated: a mistake is one error that names the key."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tokred.run import Run
from tokred.settings import Hardware
from tokred.settings.jobs import CorruptJob, ExtractJob, Job, Network, PretrainJob, TrainJob, TrialJob, takes
from tokred.validation import parse

RUN = {"dataset": "pictures", "backbone": "b", "method": "topk", "keep_rate": "0.50", "seed": 0}
BACKBONE = {"model": "vit_tiny_patch16_224", "image_size": 32, "patch_size": 8}
COMMON = {"run": RUN, "model": {"backbone": BACKBONE, "locations": [3, 6]}, "hardware": {"processes": 2}}
TRAINING = {"pretrained": None, "keep_head": False, "train_table": "t", "history": "h"}
JOBS: dict[type[Job], dict[str, Any]] = {
    TrainJob: {**COMMON, **TRAINING, "training": {"lr": 1e-7, "drop_path": 0.1}, "weights": "c"},
    TrialJob: {**COMMON, **TRAINING, "training": {"epochs": 2}, "setting": {"lr": 0.1, "lr_normalizer": 32}},
    PretrainJob: {
        **COMMON,
        "recipe": {"lr": 1e-7, "key_offset": None},
        **{name: name for name in ("weights", "history", "properties")},
    },
    ExtractJob: {
        **COMMON,
        "batch_size": 8,
        **{n: n for n in ("weights", "test_table", "predictions", "patterns", "features", "score")},
    },
    CorruptJob: {**COMMON, "batch_size": 8, **{n: n for n in ("weights", "test_table", "robustness")}},
}


@pytest.mark.parametrize("model", JOBS)
def test_a_job_is_the_same_after_it_was_sent(model: type[Job]) -> None:
    job = model.model_validate(JOBS[model])
    sent = json.loads(json.dumps(job.model_dump(mode="json")))
    assert model.model_validate(sent) == job
    assert job.run == Run(**RUN)
    assert job.hardware == Hardware(processes=2)


def test_a_network_is_described_without_what_does_not_change_it() -> None:
    named = {**BACKBONE, "label": "Tiny", "weights": "pretrain", "pretrained_on": "digits"}
    found = Network(backbone=named, options={"iterations": 2}, locations=[3]).model_dump(mode="json")
    shape = {"depth": 12, "kwargs": {}, "mean": [0.5] * 3, "std": [0.5] * 3}
    assert found == {"backbone": {**BACKBONE, **shape}, "options": {"iterations": 2}, "locations": [3]}


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (TrainJob, {"weight": "c"}, "weight: unknown key (did you mean 'weights'?); known: "),
        (TrainJob, {"run": {**RUN, "sed": 1}}, "run.sed: unknown key (did you mean 'seed'?); known: dataset"),
        (TrainJob, {"run": {**RUN, "keep_rate": "0.5"}}, "run: keep_rate '0.5' of topk: expected '0.50'"),
        (TrainJob, {"training": {"epoch": 3}}, "training.epoch: unknown key (did you mean 'epochs'?); known"),
        (TrainJob, {"training": {"epochs": 3}}, "training: warmup_epochs 5: expected fewer than epochs 3"),
        (TrainJob, {"hardware": {"processes": 0}}, "hardware.processes: expected a number greater than 0, f"),
        (PretrainJob, {"recipe": {"step": 3}}, "recipe.step: unknown key (did you mean 'steps'?); known: "),
        (ExtractJob, {"model": {"backbone": BACKBONE}}, "model.locations: missing"),
        (ExtractJob, {"code": "c0"}, "code: expected a mapping, found 'c0'"),
        (TrialJob, {"setting": None}, "expected either setting or chosen, found setting None and"),
        (TrialJob, {"chosen": "c.json"}, "expected either setting or chosen, found setting {'lr': 0.1, "),
    ],
)
def test_mistakes(model: type[Job], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=r"^job: invalid configuration\n") as error:
        parse(model, {**JOBS[model], **changes}, "job")
    assert str(error.value).partition("\n")[2].startswith(f"  {message}")


def test_a_function_that_takes_a_job() -> None:
    taken: list[Job] = []

    @takes(ExtractJob)
    def extract(job: ExtractJob) -> None:
        taken.append(job)

    job = ExtractJob.model_validate(JOBS[ExtractJob])
    extract(job)
    extract(JOBS[ExtractJob])
    assert taken[0] is job
    assert taken[1] == job
    message = re.escape("job extract: invalid configuration\n  batch_size: missing")
    with pytest.raises(ValueError, match=f"^{message}$"):
        extract({name: value for name, value in JOBS[ExtractJob].items() if name != "batch_size"})


@pytest.mark.slow
def test_jobs_do_not_load_the_model_of_a_whole_study() -> None:
    code = "import sys, tokred.training.job, tokred.evaluation.job; "
    code += "assert not {'tokred.study.study', 'tokred.study.parts'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
