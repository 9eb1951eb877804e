"""A table in a terminal of any width, and in files with all columns and conditions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tokred.cli.report import Column, Output, Report

ROWS = [
    {"name": "first", "share": 0.5, "blocks": [1, 2], "note": None},
    {"name": "second [x]", "share": None, "blocks": [], "note": "a, b"},
]
REPORT = Report(
    "Title [of it]",
    [
        Column("name", lambda row: row["name"], right=False),
        Column("share\n%", lambda row: "-" if row["share"] is None else f"{row['share']:.1f}"),
        Column("a long heading", lambda row: str(len(row["blocks"])), drop=2),
        Column("blocks", lambda row: str(row["blocks"]), drop=1),
    ],
    ROWS,
    {"machine": "m", "threads": 2},
    ["A note."],
)


def printed(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    REPORT.print(console)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("width", "left_out"), [(60, []), (40, ["a long heading"]), (20, ["a long heading", "blocks"])]
)
def test_columns_that_fit(width: int, left_out: list[str]) -> None:
    text = printed(width)
    assert "Title [of it]" in text
    assert "second [x]" in text
    assert "A note." in text
    joined = " ".join(text.split())
    assert ("Not shown, for lack of width: " + ", ".join(left_out) in joined) == bool(left_out)
    assert max(map(len, text.splitlines())) <= width


def test_files_have_all_columns_and_conditions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("a.json", "a.csv", "a.parquet")]
    Output(str(paths[0]), str(paths[1]), paths[2]).write(REPORT)
    assert "second [x]" in capsys.readouterr().out
    assert json.loads(paths[0].read_text()) == {"conditions": REPORT.conditions, "rows": ROWS}
    first, second = csv.DictReader(io.StringIO(paths[1].read_text()))
    assert first == {
        "name": "first",
        "share": "0.5",
        "blocks": "1,2",
        "note": "",
        "machine": "m",
        "threads": "2",
    }
    assert second["note"] == "a, b"
    assert second["blocks"] == ""
    assert pq.read_table(paths[2]).to_pylist()[0] == {**ROWS[0], "blocks": "1,2", **REPORT.conditions}


@pytest.mark.parametrize("form", ["json", "csv"])
def test_standard_output_takes_the_place_of_the_table(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(**{form: "-"}).write(REPORT)
    assert capsys.readouterr().out == getattr(REPORT, form)()


def test_folders_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--csv .*: is a folder, expected the name of a file"):
        Output(csv=str(tmp_path)).check()
    Output(json="-", csv=str(tmp_path / "new.csv")).check()
