"""Results as tables: what is there, what is chosen, what is refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import tokred
from tokred import published
from tokred.run import RUN_COLUMNS, Run
from tokred.tables import schemas
from tokred.tables.load import Results

RUNS = [Run("digits", "nano", method, rate, 0) for method in ("evit", "topk") for rate in ("0.50", "0.70")]


@pytest.fixture
def study(tmp_path: Path) -> Results:
    folder = tmp_path / "results" / "mine"
    for index, run in enumerate(RUNS):
        row = {"metric": "top1", "score": 50.0 + index, "std_error": 1.0, "loss": 1.0, "n": 10}
        schemas.write_rows(folder / "scores" / f"{run.key}.parquet", [{**asdict(run), **row}], schemas.SCORES)
    rows = [{**asdict(run), "token": token, "depth": 3.0} for run in RUNS for token in range(4)]
    schemas.write_rows(folder / "metrics/depth/digits/nano/0.parquet", rows, schemas.DEPTH)
    return tokred.load("mine", root=tmp_path / "results")


def test_tables_are_tidy_and_plain(study: Results) -> None:
    assert study.names == ["scores", "depth"]
    scores = study["scores"]
    assert list(scores.columns[:5]) == list(RUN_COLUMNS)
    assert scores["score"].tolist() == [50, 51, 52, 53]
    assert pd.api.types.is_string_dtype(scores["method"])
    assert len(study["depth"]) == 16


def test_runs_are_chosen(study: Results) -> None:
    assert study.table("scores", method="topk")["score"].tolist() == [52, 53]
    assert study.table("scores", method=["topk", "evit"], keep_rate=0.5)["score"].tolist() == [50, 52]
    assert study.table("depth", keep_rate="0.70", method="evit")["token"].tolist() == [0, 1, 2, 3]
    assert study.table("scores", seed=0, dataset="digits").shape == (4, 10)


def test_only_the_files_of_chosen_runs_are_read(study: Results) -> None:
    damaged = study.folder / "scores" / f"{RUNS[0].key}.parquet"
    damaged.write_bytes(b"no Parquet")
    assert study.table("scores", method="topk")["score"].tolist() == [52, 53]
    with pytest.raises(ValueError, match=r"evit/0\.50/0\.parquet: damaged, or no Parquet file"):
        study.table("scores", method="evit")


def test_what_killed_jobs_left_is_not_read(study: Results) -> None:
    whole = study.folder / "scores" / f"{RUNS[0].key}.parquet"
    for name in (".0.17.part.parquet", ".0.parquet.host.17.part"):
        whole.with_name(name).write_bytes(whole.read_bytes())
    (study.folder / "metrics" / ".depth.parquet").write_bytes(b"half of")
    assert tokred.load("mine", root=study.folder.parent).names == ["scores", "depth"]
    assert study["scores"]["score"].tolist() == [50, 51, 52, 53]


def test_files_of_no_run_are_refused(study: Results) -> None:
    stray = study.folder / "scores" / "copy.parquet"
    stray.write_bytes((study.folder / "scores" / f"{RUNS[0].key}.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"copy\.parquet: expected files \{dataset\}.*, and no others"):
        study["scores"]


def test_arrow_has_the_same_rows(study: Results) -> None:
    table = study.arrow("scores", method="topk")
    assert table["score"].to_pylist() == [52, 53]
    assert table.schema.field("method").type == pa.dictionary(pa.int32(), pa.string())


def test_what_there_is_not(study: Results, tmp_path: Path) -> None:
    with pytest.raises(
        KeyError, match=r"no table 'scors' \(did you mean 'scores'\?\); it has: scores, depth"
    ):
        study["scors"]
    with pytest.raises(ValueError, match=r"'methd' is no column of runs \(did you mean 'method'\?\)"):
        study.table("scores", methd="topk")
    with pytest.raises(ValueError, match=r"has no runs with \{'method': \['tome'\]\}"):
        study.table("scores", method="tome")
    with pytest.raises(ValueError, match="has no runs with"):
        study.table("depth", method="tome")
    with pytest.raises(FileNotFoundError, match="other: no results of a study"):
        tokred.load("other", root=tmp_path)


def test_published_study_has_its_performance(tmp_path: Path) -> None:
    schemas.write_rows(
        tmp_path / "results/published/published.parquet",
        published.scores().to_dict("records"),
        schemas.SCORES,
    )
    study = tokred.load("published", root=tmp_path / "results")
    assert len(study["scores"]) == 624
    assert study.table("scores", method="none", dataset="coco")["score"].max() == 80.93
