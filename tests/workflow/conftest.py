"""The smoke study, run once by the real Snakemake for all tests of this folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
Snakemake = Callable[..., subprocess.CompletedProcess]


def call(folder: Path, *arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess:
    """Run Snakemake on the workflow in `root`, with results below `folder`."""
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command = [*snakemake, "--directory", str(folder), "--cores", "2", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, cwd=folder)


#: Runs Snakemake's command line for each list of arguments, and says how each call ended.
_ONE_AFTER_THE_OTHER = """
import json, sys
from snakemake.cli import main
for arguments in json.load(sys.stdin):
    try:
        main(arguments)
        status = 0
    except SystemExit as exit:
        status = exit.code or 0
    sys.stderr.flush()
    print(f"=== ended with {status} ===", flush=True)
"""


def call_each(folder: Path, calls: list[list[str]], **variables: str) -> list[tuple[int, str]]:
    """Exit status and output of several calls of Snakemake, in one process, which is much faster.

    For calls that run no jobs.
    """
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_THE_OTHER],
        input=json.dumps(calls), cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
    )  # fmt: skip
    *parts, rest = re.split(r"=== ended with (\d+) ===\n", done.stdout)
    assert len(parts) == 2 * len(calls), rest[-3000:]
    return [(int(status), printed) for printed, status in zip(parts[::2], parts[1::2], strict=True)]


def overlay(folder: Path, name: str, values: dict[str, object]) -> str:
    """A configuration file on top of the smoke study's."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def planned(printed: str) -> dict[str, int]:
    """Number of jobs by rule in the output of a dry run."""
    jobs = {}
    for line in printed.partition("Job stats:")[2].splitlines()[3:]:
        words = line.split()
        if len(words) != 2 or words[0] == "total":
            break
        jobs[words[0]] = int(words[1])
    return jobs


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own, that their processes share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the smoke study has run."""
    folder = tmp_path_factory.mktemp("smoke")
    done = call(folder, "--configfile", str(ROOT / "workflow/studies/smoke.yaml"))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder


@pytest.fixture
def snakemake(smoke: Path) -> Snakemake:
    """Call Snakemake on the finished smoke study, with further configuration files."""

    def run(*arguments: str, configs: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        files = (str(ROOT / "workflow/studies/smoke.yaml"), *configs)
        return call(smoke, *arguments, "--configfile", *files)

    return run
