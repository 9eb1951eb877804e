"""A table in a terminal, and with all columns and conditions in files."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tokred.files import atomic_path

#: Text of a cell without a value.
NOTHING = "-"
#: One row: values of text, numbers, truth or None, by column.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the table in a terminal, which may join several columns of the files.

    Attributes:
        head: its heading; a line break is allowed.
        text: a cell's text, of a row.
        right: whether cells end at the right, as numbers do.
        drop: order in which columns are left out of a terminal that is too narrow for all, the largest first;
            0 for never.
    """

    head: str
    text: Callable[[Row], str]
    right: bool = True
    drop: int = 0

    def width(self, rows: Sequence[Row]) -> int:
        """Characters that the column needs, with the space beside it."""
        return 2 + max(map(len, [*self.head.split("\n"), *(self.text(row) for row in rows)]))


@dataclass(frozen=True)
class Report:
    """Rows, how they were made, and how a terminal shows them.

    Attributes:
        title: heading of the table.
        columns: what the terminal shows.
        rows: all values, the same keys in each.
        conditions: facts about all rows (model, hardware, versions), by name; part of every row in CSV and
            Parquet, and an object of its own in JSON.
        notes: lines under the table.
        shown: rows in a terminal, if they are others than those of the files.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    shown: Sequence[Row] | None = None

    def print(self, console: Console) -> None:
        """Show the table, and under it the notes."""
        table = Table(
            title=escape(self.title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            show_edge=False,
        )
        columns = self.fitting(console.width)
        for column in columns:
            side: Literal["left", "right"] = "right" if column.right else "left"
            table.add_column(escape(column.head), justify=side, no_wrap=column.right)
        for row in self._shown:
            table.add_row(*(escape(column.text(row)) for column in columns))
        console.print(table)
        left_out = [column.head.replace("\n", " ") for column in self.columns if column not in columns]
        if left_out:
            console.print(escape(f"Not shown, for lack of width: {', '.join(left_out)}."), style="dim")
        for note in self.notes:
            console.print(escape(note), highlight=False, soft_wrap=not console.is_terminal)

    @property
    def _shown(self) -> Sequence[Row]:
        return self.rows if self.shown is None else self.shown

    def fitting(self, width: int) -> list[Column]:
        """The columns that a terminal has room for."""
        columns = list(self.columns)
        while sum(column.width(self._shown) for column in columns) - 1 > width:
            last = max(columns, key=lambda column: column.drop)
            if not last.drop:
                break
            columns.remove(last)
        return columns

    def json(self) -> str:
        """An object with the conditions and the rows."""
        content = {"conditions": dict(self.conditions), "rows": [dict(row) for row in self.rows]}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def csv(self) -> str:
        """A line of names, and a line for each row; no value is an empty cell."""
        written = io.StringIO()
        rows = [_flat({**row, **self.conditions}) for row in self.rows]
        writer = csv.DictWriter(written, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return written.getvalue()


@dataclass(frozen=True)
class Output:
    """Where a report goes.

    Attributes:
        json, csv: files, "-" for the standard output (in place of the table), None for none.
        parquet: a file.
    """

    json: str | None = None
    csv: str | None = None
    parquet: Path | None = None

    def check(self) -> None:
        """Raise ValueError for a file that cannot be written, before anything is computed."""
        if self.json == self.csv == "-":
            raise ValueError("--json and --csv: only one of them can go to the standard output")
        for option, path in (("--json", self.json), ("--csv", self.csv), ("--parquet", self.parquet)):
            if path is None or str(path) == "-":
                continue
            if not Path(path).absolute().parent.is_dir():
                raise ValueError(f"{option} {path}: there is no folder {Path(path).absolute().parent}")
            if Path(path).is_dir():
                raise ValueError(f"{option} {path}: is a folder, expected the name of a file")

    def write(self, report: Report) -> None:
        """Print the table, unless one of the formats goes to the standard output, and write the files."""
        for path, text in ((self.json, report.json), (self.csv, report.csv)):
            if path == "-":
                sys.stdout.write(text())
            elif path is not None:
                with atomic_path(path) as temporary:
                    Path(temporary).write_text(text(), encoding="utf-8")
        if self.parquet is not None:
            _write_parquet(self.parquet, report)
        if "-" not in (self.json, self.csv):
            report.print(Console())


def speedup(row: Row) -> str:
    """A cell with the speed-up and its quartiles."""
    if row["speedup"] is None:
        return NOTHING
    return f"{row['speedup']:.2f} ({row['speedup_low']:.2f}-{row['speedup_high']:.2f})"


def progress_console() -> Console:
    """The console of progress bars and notices: standard error, so that the output stays clean."""
    return Console(stderr=True)


def _flat(row: Row) -> dict[str, Any]:
    """A row whose lists are texts with commas."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        for name, value in row.items()
    }


def _write_parquet(path: Path, report: Report) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_flat({**row, **report.conditions}) for row in report.rows]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary)
