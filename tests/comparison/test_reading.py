"""Comparisons read no part of a run's patterns twice, and load no library that they do not need."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest

from benchmarks.study import runs, write_patterns
from tokred.comparison.runs import groups, open_runs
from tokred.tables import patterns


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("patterns")
    return [write_patterns(folder, run, 6) for run in runs(("0.50", "0.70"))]


@pytest.mark.parametrize(
    ("axis", "parts"),
    [("keep_rates", 15 * 2), ("methods", 15 * 2), ("fixed", 9 * 2), ("backbones", 0)],
)
def test_parts_are_read_once(axis: str, parts: int, files: list[str]) -> None:
    """Nine methods have kept tokens, six have clusters."""
    counted: Counter[tuple[str, str]] = Counter()
    read = patterns.read

    def counting(path: str, columns: tuple[str, ...]) -> patterns.Patterns:
        found = read(path, columns)
        present = {"survived": found.survived, "cluster": found.clusters, "margin": found.margin}
        counted.update((path, part) for part, values in present.items() if values is not None)
        return found

    with mock.patch.object(patterns, "read", counting):
        list(importlib.import_module(f"tokred.comparison.{axis}").compare({"patterns": files}))
    assert set(counted.values()) <= {1}
    assert len(counted) == parts


def test_groups(files: list[str]) -> None:
    found = list(groups(open_runs(files), "keep_rate", parts=["survived"]))
    assert [{file.run.keep_rate for file in group} for group in found] == [{"0.50"}, {"0.70"}, {"1.00"}]
    assert sum(map(len, found)) == len(files)
    for group in found:
        assert [file.run for file in group] == sorted(file.run for file in group)
        assert all(file.patterns.clusters is None for file in group)


def loaded(program: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(printed.stdout.split())


@pytest.mark.slow
def test_metrics_and_artifacts_leave_torch_alone() -> None:
    """Every module of both; statistics, the explorer and claims as well."""
    program = """
import importlib, pkgutil
for package in ("metrics", "statistics", "comparison", "artifacts", "claims", "explorer"):
    for module in pkgutil.iter_modules(importlib.import_module(f"tokred.{package}").__path__):
        importlib.import_module(f"tokred.{package}.{module.name}")
"""
    assert not {"torch", "timm", "sklearn", "ot"} & loaded(program)


def test_starting_the_workflow_needs_no_tables() -> None:
    program = "import tokred.study.study, tokred.study.hyperparameters"
    assert not {"pandas", "pyarrow", "torch"} & loaded(program)


@pytest.mark.slow
def test_comparing_patterns_needs_no_networks(files: list[str], tmp_path: Path) -> None:
    program = f"""
from tokred.comparison.job import make
inputs = {{"patterns": {files!r}}}
outputs = {{name: {str(tmp_path)!r} + f"/{{name}}.parquet" for name in ("summary", "depth")}}
make("tokred.comparison.keep_rates:compare", {{"keep_rates": {str(tmp_path / "rows.parquet")!r}}}, inputs)
make("tokred.comparison.summary:summarize", outputs, inputs)
"""
    assert not {"torch", "timm", "sklearn", "matplotlib"} & loaded(program)
