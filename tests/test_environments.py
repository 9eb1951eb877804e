"""The conda environments hold what pyproject.toml asks for; a job in one of them needs nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
#: conda-forge's names of packages that are called otherwise there; torch's is the environment's own.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
TORCH = {"cpu": "pytorch-cpu", "gpu": "pytorch-gpu"}
#: Not needed in an environment of jobs.
LEFT_OUT = {"snakemake"}  # starts the jobs, from outside


def _split(requirement: str) -> tuple[str, str]:
    """Name, without extras and in lower case, and bounds of a requirement."""
    name, bounds = re.fullmatch(r"([\w.-]+)(?:\[.*\])? *(.*)", requirement.strip()).groups()
    return name.lower(), bounds.replace(" ", "")


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_every_dependency_with_its_bounds(name: str, project: dict) -> None:
    environment = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    found = dict(map(_split, environment["dependencies"]))
    wanted = dict(map(_split, project["dependencies"]))
    expected = {
        {**CONDA_NAMES, "torch": TORCH[name]}.get(package, package): bounds
        for package, bounds in wanted.items()
        if package not in LEFT_OUT
    }
    assert found == {**expected, "python": project["requires-python"]}


def test_every_environment_is_checked() -> None:
    assert {path.stem for path in (ROOT / "envs").glob("*.yaml")} == set(TORCH)
