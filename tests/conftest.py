"""Markers by folder and fixture, groups of tests that share something, and random numbers."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import executed

# Before any numeric library starts threads: tests run side by side with others and must not fight for cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
#: Markers that no test carries by itself: of a folder's tests, and of those that use a fixture.
_OF_FOLDER = {"workflow": "workflow", "slurm": "slurm"}
_OF_FIXTURE = {"browser": "browser"}
#: Tests without these are `fast`.
_COSTLY = ("workflow", "slurm", "browser", "benchmark", "slow")
#: Fixtures that are expensive and shared by several files of a folder.
_SHARED = ("smoke", "slurm", "browser")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-modules",
        action="store_true",
        help="fail unless every module of tokred is imported and, where it has functions, runs one of them",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--all-modules"):
        config.pluginmanager.register(executed.Recorder(), "executed")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups and pytest deselects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests, and keep those that share something expensive in one process of pytest-xdist."""
    for item in items:
        parts = Path(item.nodeid.partition("::")[0]).parts
        fixtures = set(getattr(item, "fixturenames", ()))
        if parts[1] in _OF_FOLDER:
            item.add_marker(_OF_FOLDER[parts[1]])
        for fixture in fixtures & set(_OF_FIXTURE):
            item.add_marker(_OF_FIXTURE[fixture])
        if not any(item.get_closest_marker(name) for name in _COSTLY):
            item.add_marker("fast")
        item.add_marker(pytest.mark.xdist_group(parts[1] if fixtures & set(_SHARED) else "/".join(parts)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Global random numbers are the same whichever tests run before."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries may use it
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator of the test's own."""
    return np.random.default_rng(0)
