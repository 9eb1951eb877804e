"""Markers by folder and fixture, groups of tests that share something, and random numbers."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import executed

if TYPE_CHECKING:
    import numpy as np

# Before any numeric library is loaded: tests run side by side with others and must not fight for cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
#: Markers that no test carries by itself: of a folder's tests, and of those that use a fixture.
_OF_FOLDER = {"workflow": "workflow", "slurm": "slurm"}
_OF_FIXTURE = {"browser": "browser"}
#: Tests without these are `fast`.
_COSTLY = ("workflow", "slurm", "browser", "benchmark", "slow")
#: Folders whose tests share an expensive fixture and run in one process: which of their files, None for all.
_TOGETHER: dict[str, set[str] | None] = {
    "slurm": None,
    "explorer": None,
    "workflow": {
        f"test_{name}.py" for name in ("artifacts", "docs", "documented", "pretraining", "readme", "smoke")
    },
}

#: Folders whose tests take longest. They begin first, so that processes finish at nearly the same time.
_LONGEST = ("slurm", "workflow", "benchmarks", "explorer")


# Collected tests stay until the end: looking for garbage among them takes a tenth of the time.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-modules",
        action="store_true",
        help="fail unless fast tests run a function of every module of tokred",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--all-modules"):
        config.pluginmanager.register(executed.Recorder(), "executed")


def group_of(test: str) -> str:
    """Which tests run in one process, by a test's id: those of its file, or those that share a fixture."""
    path = Path(test.partition("::")[0])
    files = _TOGETHER.get(path.parent.name, set())
    return path.parent.name if files is None or path.name in files else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Groups of our own: the marker `xdist_group` has no effect with pytest-xdist 3.8 and pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by folder and fixture; those without a costly marker are `fast`."""
    for item in items:
        parts = Path(item.nodeid.partition("::")[0]).parts
        fixtures = set(getattr(item, "fixturenames", ()))
        if parts[1] in _OF_FOLDER:
            item.add_marker(_OF_FOLDER[parts[1]])
        for fixture in fixtures & set(_OF_FIXTURE):
            item.add_marker(_OF_FIXTURE[fixture])
        if not any(item.get_closest_marker(name) for name in _COSTLY):
            item.add_marker("fast")
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_begins_early(items))


def _begins_early(items: list[pytest.Item]) -> Callable[[pytest.Item], tuple[int, int, str]]:
    """Key to sort by: groups of `_LONGEST` first, then those with the most tests."""
    groups = {item.nodeid: group_of(item.nodeid) for item in items}
    sizes = Counter(groups.values())
    ranks = {folder: rank for rank, folder in enumerate(_LONGEST)}

    def key(item: pytest.Item) -> tuple[int, int, str]:
        group = groups[item.nodeid]
        folder = Path(item.nodeid.partition("::")[0]).parts[1]
        return ranks.get(folder, len(ranks)), -sizes[group], group

    return key


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Global random numbers are the same whichever tests run before."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator of the test's own."""
    import numpy as np

    return np.random.default_rng(0)
