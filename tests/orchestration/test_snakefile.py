"""What the Snakefile needs of Snakemake, with the installed Snakemake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from tokred.orchestration.job_runner import HARDWARE
from tokred.orchestration.snakefile import disable_default_job_rate_limit, prepare_environment
from tokred.settings import Hardware

ROOT = Path(__file__).parents[2]
#: A workflow with jobs that are ready while others run.
SNAKEFILE = """
from tokred.orchestration.snakefile import disable_default_job_rate_limit

rule all:
    input:
        expand("{number}", number=range(4)),

rule touched:
    output:
        touch("{number,[0-9]}"),
    shell:
        "true"

onstart:
    before = workflow.scheduler.job_rate_limiter
    disable_default_job_rate_limit(workflow)
    after = workflow.scheduler.job_rate_limiter
    print("LIMIT", type(before).__name__, before.max_jobs, before.timespan, after is before, after)
"""


def run(folder: Path, *arguments: str) -> str:
    """What Snakemake says of the limit; all jobs of the workflow must run."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all((folder / str(number)).exists() for number in range(4))
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("LIMIT"))
    return line


@pytest.mark.slow
def test_the_default_limit_goes(tmp_path: Path) -> None:
    assert run(tmp_path) == "LIMIT JobRateLimiter 100 1.0 False None"


@pytest.mark.slow
def test_another_limit_stays(tmp_path: Path) -> None:
    found = run(tmp_path, "--max-jobs-per-timespan", "50/1m")
    assert found.startswith("LIMIT JobRateLimiter 50 60.0 True ")


@pytest.mark.parametrize(
    "settings",
    [
        SchedulingSettings(max_jobs_per_timespan=MaxJobsPerTimespan.parse_choice("100/1s")),
        SimpleNamespace(),
    ],
)
def test_a_snakemake_without_the_limiter_needs_nothing(settings: object) -> None:
    scheduler = SimpleNamespace()
    disable_default_job_rate_limit(SimpleNamespace(scheduling_settings=settings, scheduler=scheduler))
    assert vars(scheduler) == {}


def test_jobs_get_the_package_and_the_validated_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (HARDWARE, "PYTHONPATH", "PYTHONUTF8"):
        monkeypatch.setenv(name, "before")
    prepare_environment("/checkout", Hardware(processes=2))
    assert Hardware(**json.loads(os.environ[HARDWARE])) == Hardware(processes=2)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == ["/checkout", "before"]
    assert os.environ["PYTHONUTF8"] == "1"


def test_nothing_reads_snakemakes_configuration() -> None:
    files = [*ROOT.glob("rules/*"), *ROOT.glob("workflow/scripts/*"), *ROOT.glob("tokred/**/*.py")]
    assert not [file for file in files if "snakemake.config" in file.read_text()]
    users = [file.name for file in files if "snakemake." in file.read_text() and file.suffix == ".py"]
    assert sorted(users) == ["run_job.py", "snakefile.py"]
