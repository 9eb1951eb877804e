"""A study of a user's own images: three lines of configuration, and what may be wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.datasets import trees
from tests.workflow.conftest import ROOT, call, overlay
from tokred.datasets.table import ImageTable

PETS = {"adapter": "image_folder", "options": {"root": "my pets"}}
TABLE = "results/mine/datasets/{}/train.parquet"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Arguments of Snakemake for a study of two data sets, one of them below the study's `data`."""
    others = {"adapter": "image_folder", "options": {"root": str(tmp_path / "others")}}
    study = {"study": "mine", "settings": {"datasets": {"pets": PETS, "others": others}}}
    study |= {"datasets": ["pets", "others"]}
    config = overlay(tmp_path, "mine", study)
    return ["--configfile", str(ROOT / "config.yaml"), config, "--config", f"data={tmp_path}/data"]


def test_tables_and_wrong_layouts(tmp_path: Path, arguments: list[str]) -> None:
    made = trees.class_folders(tmp_path / "data/my pets/train", {"cat": ["1 é.jpg"], "dog": ["2.jpg"]})
    trees.class_folders(tmp_path / "others/training", {"cat": ["1.jpg"]})
    done = call(tmp_path, TABLE.format("pets"), TABLE.format("others"), "--keep-going", *arguments)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"ValueError: data set folder {tmp_path}/others: expected train/; found training/" in printed
    table = ImageTable(tmp_path / TABLE.format("pets"))
    assert (table.info.dataset, table.info.classes) == ("pets", ("cat", "dog"))
    stored = pq.read_table(table.path)["image"].to_pylist()
    folder = tmp_path / "data/my pets/train"
    assert stored == [{"bytes": None, "path": str(folder / name)} for name in made]
    assert list(tmp_path.rglob("*.parquet")) == [table.path]
    again = call(tmp_path, "--dry-run", TABLE.format("pets"), *arguments)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_missing_folder_is_an_error_before_any_job(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "data").mkdir()
    planned = call(tmp_path, "--dry-run", TABLE.format("pets"), *arguments)
    assert planned.returncode == 0, "a dry run needs no data"
    done = call(tmp_path, TABLE.format("pets"), *arguments)
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert f"data set folder {tmp_path}/data/my pets does not exist; {tmp_path}/data has nothing" in printed
    assert "Job stats" not in printed
