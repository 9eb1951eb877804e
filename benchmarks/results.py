"""The table of results: `benchmarks.csv`, and the same in Markdown, which docs/performance.md shows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.row import Row

#: Columns of the table.
COLUMNS = ("benchmark", "case", "value", "unit", "goal", "met", "note")
#: What encloses the table in a document.
_MARKS = ("<!-- results of benchmarks -->\n", "<!-- end of results -->\n")

Line = dict[str, str]


def lines_of(benchmark: str, rows: Iterable[Row]) -> list[Line]:
    """Lines of the table, from the rows of one benchmark."""
    return [
        {
            "benchmark": benchmark,
            "case": row.case,
            "value": f"{row.value:.3g}" if row.value < 1000 else f"{row.value:.0f}",
            "unit": row.unit,
            "goal": "" if row.goal is None else f"{row.goal.sign} {row.goal.limit:g}",
            "met": "" if row.goal is None else "yes" if row.goal.met(row.value) else "no",
            "note": row.note,
        }
        for row in rows
    ]


def write(folder: Path, found: Sequence[Line], order: Sequence[str]) -> None:
    """Replace the lines of some benchmarks in the table, which is sorted by `order`."""
    path = folder / "benchmarks.csv"
    measured = {line["benchmark"] for line in found}
    kept = [line for line in read(path) if line["benchmark"] not in measured and line["benchmark"] in order]
    lines = sorted([*kept, *found], key=lambda line: order.index(line["benchmark"]))
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    (folder / "benchmarks.md").write_text(markdown(lines), encoding="utf-8")


def read(path: Path) -> list[Line]:
    """Lines of a table; empty if it does not exist yet."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def markdown(lines: Iterable[Line]) -> str:
    """The table in Markdown."""
    head = ["benchmark", "case", "figure", "goal", "met", "note"]
    table = [head, ["---", "---", "---:", "---:", "---", "---"]]
    for line in lines:
        table.append([line["benchmark"], line["case"], f"{line['value']} {line['unit']}"])
        table[-1] += [line["goal"], line["met"], line["note"]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)


def show(document: Path, table: str) -> None:
    """Replace the table between the markers of a document.

    Raises ValueError for a document without them.
    """
    text = document.read_text(encoding="utf-8")
    if any(text.count(mark) != 1 for mark in _MARKS):
        raise ValueError(f"{document}: expected one line {_MARKS[0].strip()} and one {_MARKS[1].strip()}")
    before, _, rest = text.partition(_MARKS[0])
    _, _, after = rest.partition(_MARKS[1])
    document.write_text(f"{before}{_MARKS[0]}{table}{_MARKS[1]}{after}", encoding="utf-8")
