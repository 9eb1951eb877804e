"""A study on a real SLURM: requested resources, and recovery after jobs or Snakemake are killed."""

from __future__ import annotations

import json
import os
import re
import signal

import torch
from safetensors.torch import load_file

from tests.slurm.conftest import ARTIFACTS, Slurm
from tokred.tables import schemas

RUN = "digits/vit_nano/topk/0.50"


def test_study_runs_through(slurm: Slurm, finished: str) -> None:
    study = slurm.folder / "results/tiny"
    scores = schemas.read(sorted((study / "scores").rglob("*.parquet")), schemas.SCORES)
    assert sorted(scores["method"]) == ["none", "topk"]
    assert (study / "tables/table1.csv").read_text().count("\n") == 3
    assert all((study / name).stat().st_size > 0 for name in ARTIFACTS)
    assert re.search(r"(\d+) of \1 steps \(100%\) done", finished)
    assert {job.state for job in slurm.jobs()} == {"COMPLETED"}


def test_jobs_get_what_they_ask_for(slurm: Slurm, finished: str) -> None:
    for rule in ("train", "extract"):
        jobs = slurm.jobs(f"rule_{rule}_wildcards")
        assert len(jobs) == 2
        for job in jobs:
            assert job.fields["TresPerJob"] == "gres:gpu:1"
            assert job.fields["NumNodes"] == "1"
            assert job.fields["TRES"].startswith("cpu=1,mem=4001M")
            assert job.fields["TimeLimit"] == "00:16:00"
    (prepared, _) = slurm.jobs("rule_prepare")
    assert "TresPerJob" not in prepared.fields


def test_short_jobs_share_few_slurm_jobs(slurm: Slurm, finished: str) -> None:
    inside = re.findall(r"^ {4}Job \d+: (\w+ \w+)", finished, re.M)
    compared = ["Compare features", "Compare methods", "Correlate similarity", "Summarize patterns"]
    assert [did for did in sorted(inside) if did in compared] == compared
    assert sorted(did.split()[0] for did in inside if did not in compared) == ["Draw", "Draw", "Make", "Make"]
    shared = {  # by the first word of their name
        job.comment.split("_")[1]: job.fields for job in slurm.jobs("rule_") if "wildcards" not in job.comment
    }
    assert sorted(shared) == ["artifacts", "compare", "reference"]
    # Three of the comparisons at a time, then the fourth: their times add up, and their CPUs and memory.
    assert {name: shared[name]["NumCPUs"] for name in ("compare", "artifacts")} == {
        "compare": "3",
        "artifacts": "4",
    }
    assert shared["compare"]["TimeLimit"] == "00:32:00"


def test_every_job_has_its_log(slurm: Slurm, finished: str) -> None:
    assert "epoch 1/1" in (slurm.folder / f"results/tiny/logs/train/{RUN}/0.log").read_text()
    for job in slurm.jobs("rule_train"):
        log = slurm.folder / ".snakemake/slurm_logs/rule_train"
        assert "Fine-tune" in next(log.rglob(f"{job.fields['JobId']}.log")).read_text()


def test_cancelled_job_comes_again_with_more(slurm: Slurm, finished: str) -> None:
    typed = ("--set-resources", "train:gpu_model=fake")
    running = slurm.start(f"results/tiny/checkpoints/{RUN}/1.safetensors", "--config", "seeds=[0,1]", *typed)
    job = slurm.wait_for("topk_0.50_1", running)
    slurm.ask("scancel", job.fields["JobId"])
    slurm.finish(running)
    first, second = slurm.jobs("topk_0.50_1")
    assert (first.state, second.state) == ("CANCELLED", "COMPLETED")
    assert (first.fields["MinMemoryNode"], second.fields["MinMemoryNode"]) == ("4001M", "8002M")
    assert second.fields["TresPerJob"] == "gres:gpu:fake:1"
    assert (first.fields["TimeLimit"], second.fields["TimeLimit"]) == ("00:16:00", "00:32:00")
    assert (slurm.folder / f"results/tiny/checkpoints/{RUN}/1.safetensors").exists()


def test_a_training_takes_two_nodes(slurm: Slurm, finished: str) -> None:
    """srun starts torchrun on each; the processes meet, and end with the weights that one process has."""
    study = ("--config", "study=two", "seeds=[0]", f"hardware={json.dumps({'nodes': 2})}")
    checkpoint = f"checkpoints/{RUN}/0.safetensors"
    slurm.finish(slurm.start(f"results/two/{checkpoint}", *study, "--resources", "short_jobs=4", "nodes=2"))
    one, two = (load_file(slurm.folder / f"results/{name}/{checkpoint}") for name in ("tiny", "two"))
    job = slurm.jobs("topk_0.50_0")[-1]
    assert (job.fields["NumNodes"], job.fields["NumTasks"], job.state) == ("2", "2", "COMPLETED")
    assert "TresPerNode" in job.fields
    log = (slurm.folder / f"results/two/logs/train/{RUN}/0.log").read_text()
    assert "2 processes, 1 on each node" in log
    for key, tensor in one.items():  # AdamW moves a weight by up to 1e-3 a step
        torch.testing.assert_close(two[key], tensor, atol=2e-4, rtol=1e-3)


def test_study_goes_on_after_snakemake_was_killed(slurm: Slurm, finished: str) -> None:
    again = (f"results/tiny/checkpoints/{RUN}/2.safetensors", "--config", "seeds=[0,2]")
    killed = slurm.start(*again)
    job = slurm.wait_for("topk_0.50_2", killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(30)
    assert slurm.jobs("topk_0.50_2")[0].state == "RUNNING"
    # As in docs/cluster.md: cancel remaining jobs, unlock, repeat the command.
    slurm.ask("scancel", "--name", job.fields["JobName"])
    assert not slurm.ask("squeue", "--noheader", "--states", "RUNNING,PENDING")
    slurm.finish(slurm.start("--unlock"), timeout=60)
    slurm.finish(slurm.start(*again))
    assert [job.state for job in slurm.jobs("topk_0.50_2")] == ["CANCELLED", "COMPLETED"]
    assert (slurm.folder / f"results/tiny/checkpoints/{RUN}/2.safetensors").exists()
    assert list(slurm.folder.rglob(".*.part*")) == []
