"""The conda environments hold what pyproject.toml asks for; a job in one of them needs nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

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


def _pinned(text: str) -> dict[str, Version]:
    """Versions by package of an explicit list of conda packages, one address per line.

    Raises ValueError for a list that is not explicit, or a line that is no address of a package.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if lines[:1] != ["@EXPLICIT"]:
        raise ValueError(f"expected @EXPLICIT as the first line, found {lines[:1]}")
    found = {}
    for line in lines[1:]:
        match = re.fullmatch(r"https://\S+/([\w.-]+)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)(?:#\w+)?", line)
        if match is None:
            raise ValueError(f"expected the address of a package, found {line!r}")
        found[match[1]] = Version(match[2])
    return found


def _unsatisfied(name: str, text: str) -> list[str]:
    """Dependencies of an environment that a list of pinned packages lacks, or has in another version."""
    wanted = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    found = _pinned(text)
    bounds = dict(map(_split, wanted))
    return [
        f"{package} {bound}: found {found.get(package)}"
        for package, bound in bounds.items()
        if package not in found or found[package] not in SpecifierSet(bound)
    ]


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_pins_satisfy_the_environment(name: str) -> None:
    """Of pin files that exist: CONTRIBUTING.md says how a release makes them."""
    for path in (ROOT / "envs").glob(f"{name}.*.pin.txt"):
        assert _unsatisfied(name, path.read_text()) == []


def test_pins_are_compared_with_the_bounds() -> None:
    lines = ["# platform: linux-64", "@EXPLICIT"]
    wanted = yaml.safe_load((ROOT / "envs/cpu.yaml").read_text())["dependencies"]
    for package, bound in map(_split, wanted):
        version = bound.removeprefix(">=")
        lines.append(f"https://conda.anaconda.org/conda-forge/linux-64/{package}-{version}-h1_0.conda#ab12")
    assert _unsatisfied("cpu", "\n".join(lines)) == []
    older = [line.replace("/timm-1.0.20-", "/timm-0.9.0-") for line in lines if "/scipy-" not in line]
    assert _unsatisfied("cpu", "\n".join(older)) == [
        "timm >=1.0.20: found 0.9.0",
        "scipy >=1.12: found None",
    ]
    with pytest.raises(ValueError, match="expected @EXPLICIT"):
        _pinned("timm=1.0")


def test_every_pin_file_belongs_to_an_environment() -> None:
    names = {path.name.partition(".")[0] for path in (ROOT / "envs").glob("*.pin.txt")}
    assert names <= set(TORCH)
