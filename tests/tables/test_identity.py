"""Files of another run, data set, split or axis than was asked for, and weights that are not finite."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

import tokred
from tests.small_models import small_vit
from tests.tables.files import FACTS, RUN, make_images, make_patterns, make_scores, make_weights
from tokred.comparison.runs import open_runs
from tokred.data.image_table import check_table
from tokred.models.weights import load_weights, save_weights
from tokred.tables import schemas


def test_rows_of_another_run(tmp_path: Path) -> None:
    """A file that was copied to another run's place."""
    path = tmp_path / "results/study/scores/shapes/tiny/topk/0.70/3.parquet"
    make_scores(path)
    expected = r"0\.70/3\.parquet: has rows of keep_rate '0\.50', expected '0\.70'"
    with pytest.raises(ValueError, match=expected):
        schemas.read(path, schemas.SCORES)
    with pytest.raises(ValueError, match=expected):
        tokred.load("study", tmp_path / "results")["scores"]
    path = tmp_path / "results/study/patterns/shapes/tiny/topk/0.70/3.parquet"
    make_patterns(path)
    with pytest.raises(ValueError, match=r"is of run shapes/tiny/topk/0\.50/3, expected .*/topk/0\.70/3"):
        open_runs([str(path)])


def test_pairs_along_another_axis(tmp_path: Path) -> None:
    path = tmp_path / "results/study/metrics/methods/shapes/tiny/3.parquet"
    schemas.write_rows(path, [], schemas.PAIRS, {"axis": "keep_rates"})
    with pytest.raises(ValueError, match=r"3\.parquet: is of axis 'keep_rates', expected axis 'methods'"):
        schemas.read(path, schemas.PAIRS, "methods")
    with pytest.raises(ValueError, match=r"3\.parquet: is of axis 'keep_rates', expected axis 'methods'"):
        tokred.load("study", tmp_path / "results")["methods"]


@pytest.mark.parametrize(
    ("dataset", "split", "message"),
    [
        ("shapes", "train", "is of split 'test', expected split 'train'"),
        ("digits", "test", "is of dataset 'shapes', expected dataset 'digits'"),
    ],
)
def test_images_of_another_split_or_data_set(dataset: str, split: str, message: str, tmp_path: Path) -> None:
    make_images(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=rf"t\.parquet: {message}"):
        check_table(tmp_path / "t.parquet", dataset, split)


def test_weights_of_another_run_or_none(tmp_path: Path) -> None:
    path, expected = tmp_path / "0.safetensors", {"run": {**asdict(RUN), "seed": 4}}
    make_weights(path)
    with pytest.raises(ValueError, match=r"0\.safetensors: is of run\.seed 3, expected run\.seed 4"):
        load_weights(small_vit(), path, expected=expected)
    save_weights(small_vit(), path, {})
    with pytest.raises(ValueError, match=r"0\.safetensors: its metadata lack run; expected run\."):
        load_weights(small_vit(), path, expected=expected)
    load_weights(small_vit(), path)  # anybody's, to start from


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    broken = small_vit()
    with torch.no_grad():
        broken.norm.bias[3] = value
    with pytest.raises(ValueError, match=r"0\.safetensors: weights norm\.bias are infinite or NaN"):
        save_weights(broken, tmp_path / "0.safetensors", {})
    assert list(tmp_path.iterdir()) == []
    save_file(broken.state_dict(), tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match=r"foreign\.safetensors: weights norm\.bias are infinite or NaN"):
        load_weights(small_vit(), tmp_path / "foreign.safetensors")


def test_facts_are_plain_json_for_others(tmp_path: Path) -> None:
    make_scores(tmp_path / "t.parquet")
    stored = pq.read_schema(tmp_path / "t.parquet").metadata
    assert json.loads(stored[b"tokred"]) == FACTS
    assert json.loads(stored[b"tokred_format"])["kind"] == "scores"
