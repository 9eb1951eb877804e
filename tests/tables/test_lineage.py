"""Which code made which results is said wherever they are read."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

import tokred
from tokred.run import Run
from tokred.tables import lineage, schemas
from tokred.tables.load import Results

RUNS = [Run("digits", "nano", method, "0.50", 0) for method in ("evit", "topk", "tome")]
SCORE = {"metric": "top1", "score": 50.0, "std_error": 1.0, "loss": 1.0, "n": 10}


def save(folder: Path, run: Run, code: object) -> Path:
    path = folder / "scores" / f"{run.key}.parquet"
    schemas.write_rows(path, [{**asdict(run), **SCORE}], schemas.SCORES, {"run": asdict(run), "code": code})
    return path


def code_of(run: Run, train: str = "t1", method: str = "m1") -> dict[str, str]:
    return {"train": train, f"train {run.method}": f"{run.method} {method}", "extract": "e1"}


def study(tmp_path: Path) -> Results:
    return tokred.load("mine", root=tmp_path / "results")


def test_results_of_one_code_are_read_without_a_word(tmp_path: Path) -> None:
    for run in RUNS:
        save(tmp_path / "results/mine", run, code_of(run))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(study(tmp_path)["scores"]) == 3


def test_mixed_results_are_read_with_a_warning_that_counts(tmp_path: Path) -> None:
    for run, train in zip(RUNS, ("t1", "t2", "t1"), strict=True):
        save(tmp_path / "results/mine", run, code_of(run, train))
    with pytest.warns(UserWarning, match=r"mixes results of different code, train \(t1: 2 tables, t2: 1\)"):
        assert len(study(tmp_path)["scores"]) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(study(tmp_path).table("scores", method=["evit", "tome"])) == 2


def test_tables_that_do_not_say_are_mixed_with_those_that_do(tmp_path: Path) -> None:
    save(tmp_path / "results/mine", RUNS[0], code_of(RUNS[0]))
    save(tmp_path / "results/mine", RUNS[1], "of version 0.1")
    with pytest.warns(UserWarning, match=r"unknown \(unknown: 1 tables\)"):
        study(tmp_path).table("scores")


def test_code_is_a_row_a_file_and_stage(tmp_path: Path) -> None:
    folder = tmp_path / "results/mine"
    files = [save(folder, run, code_of(run)) for run in RUNS[:2]]
    made_by = lineage.inherited(files, {"summarize": "s1"})
    schemas.write_rows(folder / "metrics/depth/digits/nano/0.parquet", [], schemas.DEPTH, made_by)
    code = study(tmp_path).code()
    assert list(code.columns) == [
        "file", "dataset", "backbone", "method", "keep_rate", "seed", "stage", "fingerprint"
    ]  # fmt: skip
    of_topk = code[code["method"] == "topk"].set_index("stage")["fingerprint"].to_dict()
    assert of_topk == {"train": "t1", "train topk": "topk m1", "extract": "e1"}
    depth = code[code["file"] == "metrics/depth/digits/nano/0.parquet"]
    assert depth["method"].isna().all()
    assert set(depth["stage"]) == {"train", "train topk", "train evit", "extract", "summarize"}


def test_what_is_made_from_mixed_results_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [save(tmp_path, RUNS[0], code_of(RUNS[0])), save(tmp_path, RUNS[1], code_of(RUNS[1], "t2"))]
    made_by = lineage.inherited(files, {"summarize": "s1"})
    assert made_by["code"]["train"] == ["t1", "t2"]
    assert made_by["code"]["summarize"] == "s1"
    assert "made from results of different code: train (t1: 1 tables, t2: 1)" in caplog.text
    schemas.write_rows(tmp_path / "d.parquet", [], schemas.DEPTH, made_by)
    assert lineage.mixed(lineage.lineage([tmp_path / "d.parquet"])).keys() == {"train"}


@pytest.mark.parametrize("train", ["t1", "t2"])
def test_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: str) -> None:
    monkeypatch.chdir(tmp_path)
    files = [str(save(Path("results/mine"), run, code_of(run))) for run in RUNS[:2]]
    files.append(str(save(Path("results/mine"), RUNS[2], code_of(RUNS[2], train))))
    outputs = {name: f"code.{name}" for name in ("csv", "md", "html")}
    lineage.write("mine", {"tables": files}, outputs)
    rows = pd.read_csv("code.csv")
    assert len(rows) == 9
    assert rows.loc[rows["stage"] == "train tome", "table"].item() == "scores/digits/nano/tome/0.50/0"
    for text in (Path("code.md").read_text(), Path("code.html").read_text()):
        assert ("Each stage was done by a single version of the code." in text) == (train == "t1")
        assert (
            "Mixed: some stages were done by several versions of the code: train (t1: 2 tables, t2: 1)."
            in text
        ) == (train == "t2")
    if train == "t2":
        assert "| train | t2 | 1 | scores/digits/nano/tome/0.50/0 |" in Path("code.md").read_text()
    else:
        assert "| train | t1 | 3 | all |" in Path("code.md").read_text()
