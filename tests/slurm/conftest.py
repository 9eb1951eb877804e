"""A cluster for all tests of this folder, and Snakemake calls that run a tiny study on it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.slurm.cluster import cluster, missing

ROOT = Path(__file__).parents[2]
#: A Python with the plugin; not ours where the plugin would slow all other tests.
PYTHON = os.environ.get("TOKRED_SLURM_PYTHON", sys.executable)
PLUGIN = "snakemake_executor_plugin_slurm"
#: In the GPU environment trainings ask for a GPU; with `device: auto` they do without CUDA.
TINY = {
    "study": "tiny",
    "environment": "gpu",
    "datasets": ["digits"],
    "backbones": ["vit_nano"],
    "methods": ["topk"],
    "keep_rates": [0.5],
    "training": {"epochs": 1, "warmup_epochs": 0.3},
    "settings": {"datasets": {"digits": {"options": {"num_train": 64, "num_test": 48}}}},
}
#: Artifacts whose making needs every kind of job.
ARTIFACTS = ("figures/figure6.pdf", "figures/figure30.pdf", "tables/table1.csv", "tables/differences.csv")
#: For a cluster that answers at once and a file system that is not shared.
QUICK = (
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--latency-wait",
    "5",
    "--slurm-keep-successful-logs",
)


@dataclass(frozen=True)
class Job:
    """What `scontrol show job` says of a job."""

    comment: str
    state: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Slurm:
    """A running cluster, a folder with a study's configuration, and the commands of a user."""

    folder: Path
    environment: dict[str, str]

    def ask(self, *command: str) -> str:
        """What a program of the cluster prints."""
        asked = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return asked.stdout

    def jobs(self, comment: str = "") -> list[Job]:
        """All jobs so far whose comment (the rule and its wildcards) contains a text, oldest first."""
        jobs = []
        for text in self.ask("scontrol", "show", "job").split("\n\n"):
            fields = dict(re.findall(r"(\w+)=(\S*)", text))
            if comment in fields.get("Comment", ""):
                jobs.append(Job(fields.get("Comment", ""), fields.get("JobState", ""), fields))
        return sorted((job for job in jobs if job.state), key=lambda job: int(job.fields["JobId"]))

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake on the study in this folder; its output goes to `printed.txt`."""
        config = self.folder / "tiny.yaml"
        config.write_text(yaml.safe_dump(TINY))
        profile = ("--workflow-profile", str(ROOT / "profiles/slurm"))
        where = ("--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder))
        command = [PYTHON, "-m", "snakemake", *arguments, *where, *profile, *QUICK]
        with (self.folder / "printed.txt").open("w") as printed:
            return subprocess.Popen(
                [*command, "--configfile", str(config)],
                env=self.environment,
                cwd=self.folder,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, running: subprocess.Popen, timeout: float = 300) -> str:
        """Wait for Snakemake's success; returns its output. A process that hangs is killed."""
        try:
            status = running.wait(timeout)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait(30)
        printed = (self.folder / "printed.txt").read_text(errors="replace")
        assert status == 0, printed[-6000:]
        return printed

    def wait_for(self, comment: str, running: subprocess.Popen, patience: float = 120) -> Job:
        """The first running job whose comment contains a text."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for job in self.jobs(comment):
                if job.state == "RUNNING":
                    return job
            assert running.poll() is None, (self.folder / "printed.txt").read_text(errors="replace")[-6000:]
            time.sleep(0.5)
        raise AssertionError(f"expected a running job of {comment!r}, found {self.jobs()}")


def _has_plugin() -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({PLUGIN!r}) is None)"
    return subprocess.run([PYTHON, "-c", code], timeout=60, check=False).returncode == 0


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """The cluster, and a folder in which studies run."""
    lacking = missing() + ([] if _has_plugin() else [f"no {PLUGIN} in {PYTHON}"])
    if lacking:
        pytest.skip(f"no SLURM here: {', '.join(lacking)}")
    with cluster() as environment:
        yield Slurm(tmp_path_factory.mktemp("slurm"), {**environment, "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="session")
def finished(slurm: Slurm) -> str:
    """What Snakemake printed while the tiny study ran through."""
    return slurm.finish(slurm.start(*(f"results/tiny/{name}" for name in ARTIFACTS)))
