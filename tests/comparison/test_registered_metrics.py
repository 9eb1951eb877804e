"""What the registry names as a metric's code is what comparisons run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.study import write_features, write_patterns
from tests.comparison.masked_images import write_images
from tokred.comparison.datasets import compare_maps
from tokred.comparison.object_recall import compare_with_masks
from tokred.comparison.runs import open_runs
from tokred.metrics.registry import METRICS
from tokred.orchestration.rule_code import TABLE_METRICS
from tokred.run import Run

RUNS = [
    Run("one", "deit_small", method, rate, 0) for method in ("l1", "topk", "sit") for rate in ("0.50", "0.70")
]
RUNS += [Run("one", "deit_small", "kmedoids", "0.50", 0)]
RUNS += [replace(run, backbone="deit_tiny") for run in RUNS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def compare(folder: Path) -> Callable[[str], pd.DataFrame]:
    """The rows of a table of pairs, by its name."""
    patterns = [write_patterns(folder, run, 6) for run in RUNS]
    ids = open_runs(patterns)[0].image_ids.to_pylist()
    images = write_images(folder / "test.parquet", ids, [np.eye(28, dtype=np.uint8) * 255] * len(ids))
    ids = open_runs(patterns)[0].image_ids.to_pylist()
    images = write_images(folder / "test.parquet", ids, [np.eye(28, dtype=np.uint8) * 255] * len(ids))
    features = [write_features(folder, run, 20, 4) for run in RUNS if run.backbone == "deit_small"]
    maps = pd.DataFrame(
        asdict(Run(dataset, "deit_small", "topk", "0.50", 0)) | {"token": token, "depth": float(depth)}
        for dataset, depths in (("one", (3, 6, 9, 12)), ("two", (12, 6, 3, 12)))
        for token, depth in enumerate(depths)
    )

    def rows(table: str) -> pd.DataFrame:
        if table == "datasets":
            return pd.DataFrame(compare_maps(maps, (2, 2)))
        if table == "object_recall":
            return pd.DataFrame(compare_with_masks(open_runs(patterns), images, 28, None))
        inputs = {"patterns": patterns, "cls_features": features}
        return pd.DataFrame(importlib.import_module(f"tokred.comparison.{table}").compare(inputs))

    return rows


@pytest.mark.parametrize("table", TABLE_METRICS)
def test_a_changed_metric_changes_its_rows_and_no_others(
    table: str, compare: Callable[[str], pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compare(table).set_index("metric")["mean"]
    assert set(before.index) == set(TABLE_METRICS[table])
    for name in TABLE_METRICS[table]:
        module, _, function = METRICS[name].code[0].partition(":")
        formula = METRICS[name].load()

        def changed(*inputs: object, formula: Callable = formula) -> object:
            found = formula(*inputs)
            return (found[0] - 7, found[1]) if isinstance(found, tuple) else found - 7

        with monkeypatch.context() as patched:
            patched.setattr(importlib.import_module(module), function, changed)
            after = compare(table).set_index("metric")["mean"]
        np.testing.assert_allclose(after, before - 7.0 * (before.index == name), atol=1e-9)
