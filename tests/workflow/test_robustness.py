"""Robustness and calibration of a very small study through the real Snakemake: part of `all` on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tokred
from tests.typical import slow_after_first
from tests.workflow.conftest import call, overlay, planned
from tokred.tables import schemas

STUDY = {
    "study": "tiny",
    "datasets": ["scenes", "digits"],
    "backbones": ["vit_nano"],
    "methods": ["topk"],
    "keep_rates": [0.5],
    "training": "none",
    "settings": {
        "datasets": {
            "digits": {"options": {"num_test": 48}},
            "scenes": {"options": {"num_test": 48}},
        }
    },
}
#: Three of its artifacts, which need all tables.
FILES = ["figures/robustness.png", "tables/corruptions.csv", "tables/calibration.csv"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the study, of which the artifacts were asked for by name."""
    folder = tmp_path_factory.mktemp("tiny")
    config = overlay(folder, "tiny", STUDY)
    done = call(folder, *(f"results/tiny/{file}" for file in FILES), "--configfile", config)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    jobs = planned(done.stdout + done.stderr)
    assert (jobs["evaluate_corrupted"], jobs["measure_calibration"], jobs["extract"]) == (4, 2, 4)
    return folder


def test_artifacts_show_the_tables(finished: Path) -> None:
    study = tokred.load("tiny", root=finished / "results")
    rows, scores = study["robustness"], study["scores"]
    assert len(rows) == 4 * 12
    assert rows.set_index("dataset")["metric"].to_dict() == {"digits": "top1", "scenes": "map"}
    assert set(rows["n"]) == {48}
    table = pd.read_csv(finished / "results/tiny/tables/corruptions.csv", index_col=0)
    for label, method in (("Unreduced", "none"), ("Top-K 50%", "topk")):
        clean = scores.loc[scores["method"] == method, "score"].mean()
        assert table.loc[label, "clean"] == pytest.approx(clean, abs=0.051)
        of_noise = rows[(rows["method"] == method) & (rows["corruption"] == "noise")]
        change = 100 * (of_noise["score"].mean() / clean - 1)
        assert table.loc[label, "change Noise"] == pytest.approx(change, abs=0.051)
    calibration = study["calibration"]
    assert set(calibration["dataset"]) == {"digits"}
    shown = pd.read_csv(finished / "results/tiny/tables/calibration.csv", index_col=0)
    errors = calibration.set_index("method")["calibration_error"]
    assert shown.loc["Top-K 50%", "Digits error"] == pytest.approx(errors["topk"], abs=0.051)
    assert shown.filter(like="Scenes").isna().all(axis=None)
    picture = np.asarray(Image.open(finished / "results/tiny/figures/robustness.png").convert("L"))
    assert (picture < 128).sum() > 500


def test_files_say_whose_they_are(finished: Path) -> None:
    path = finished / "results/tiny/robustness/digits/vit_nano/topk/0.50/0.parquet"
    facts = schemas.metadata(path)
    assert facts["run"]["method"] == "topk"
    assert {"evaluate_corrupted", "evaluate_corrupted topk"} <= set(facts["code"])


@pytest.mark.parametrize("asked", slow_after_first([True, False]))
def test_they_are_part_of_all_if_the_study_asks(asked: bool, finished: Path) -> None:
    config = overlay(finished, "asked", {**STUDY, "robustness": asked})
    done = call(finished, "--dry-run", "--configfile", config)
    assert done.returncode == 0
    printed = done.stdout + done.stderr
    assert "evaluate_corrupted" not in planned(printed), "nothing is made again"
    (finished / "results/tiny/robustness/digits/vit_nano/topk/0.50/0.parquet").rename(finished / "away")
    try:
        printed = call(finished, "--dry-run", "--configfile", config).stdout
    finally:
        (finished / "away").rename(finished / "results/tiny/robustness/digits/vit_nano/topk/0.50/0.parquet")
    assert planned(printed).get("evaluate_corrupted", 0) == asked
