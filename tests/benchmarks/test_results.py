"""The table of results: what stands in it, and where it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import registry, results
from benchmarks.__main__ import main
from benchmarks.row import Goal, Row
from tests.workflow.conftest import ROOT

ORDER = ["one", "two", "three"]


def lines(benchmark: str, value: float) -> list[results.Line]:
    return results.lines_of(benchmark, [Row("case", value, "x", Goal(">=", 50), "note")])


def test_new_results_take_the_place_of_old_ones(tmp_path: Path) -> None:
    results.write(tmp_path, lines("three", 1), ORDER)
    results.write(tmp_path, lines("one", 49.9), ORDER)
    results.write(tmp_path, lines("three", 1234.5), ORDER)
    found = results.read(tmp_path / "benchmarks.csv")
    assert [(line["benchmark"], line["value"], line["met"]) for line in found] == [
        ("one", "49.9", "no"),
        ("three", "1234", "yes"),
    ]
    assert (tmp_path / "benchmarks.md").read_text().splitlines()[2:] == [
        "| one | case | 49.9 x | >= 50 | no | note |",
        "| three | case | 1234 x | >= 50 | yes | note |",
    ]


def test_benchmarks_that_are_gone_leave_the_table(tmp_path: Path) -> None:
    results.write(tmp_path, lines("two", 1), ORDER)
    results.write(tmp_path, lines("one", 1), ["one"])
    assert [line["benchmark"] for line in results.read(tmp_path / "benchmarks.csv")] == ["one"]


def test_a_document_shows_the_table(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(f"before\n{results._MARKS[0]}old\n{results._MARKS[1]}after\n")
    results.show(document, "new\n")
    assert document.read_text() == f"before\n{results._MARKS[0]}new\n{results._MARKS[1]}after\n"
    document.write_text("nothing")
    with pytest.raises(ValueError, match="expected one line <!-- results of benchmarks -->"):
        results.show(document, "new\n")


def test_the_documentation_shows_the_table() -> None:
    stored = (ROOT / "benchmarks/results/benchmarks.md").read_text()
    assert stored == results.markdown(results.read(ROOT / "benchmarks/results/benchmarks.csv"))
    assert stored in (ROOT / "docs/performance.md").read_text()
    measured = {line["benchmark"] for line in results.read(ROOT / "benchmarks/results/benchmarks.csv")}
    assert measured >= {name for name, benchmark in registry.BENCHMARKS.items() if benchmark.by_default}
    assert measured <= set(registry.BENCHMARKS)


@pytest.mark.benchmark
def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main(["emd", "--tiny", "--results", str(tmp_path)])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("emd: 14 x 14 maps, exact: ")
    assert ", goal >= 1: " in printed[0]
    assert len(results.read(tmp_path / "benchmarks.csv")) == len(printed)
    for option in (["--tiny"], ["--threads", "1"]):
        with pytest.raises(SystemExit):
            main(["emd", *option])
        assert "expected --results" in capsys.readouterr().err
