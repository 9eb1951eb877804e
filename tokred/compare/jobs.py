"""What the workflow's comparison jobs do: from files to files."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence

from tokred import tables
from tokred.compare.runs import open_runs

log = logging.getLogger(__name__)

Files = Mapping[str, Sequence[str]]


def compare(axis: str, inputs: Files, outputs: Mapping[str, str]) -> None:
    """Compare runs with the module `tokred.compare.<axis>`.

    Args:
        inputs: "runs", tables of runs (patterns or features).
        outputs: "rows", a `tables.PAIRS` table.
    """
    module = importlib.import_module(f"tokred.compare.{axis}")
    _write(outputs["rows"], module.compare(open_runs(inputs["runs"])), tables.PAIRS, {"axis": axis})


def summarize(inputs: Files, outputs: Mapping[str, str]) -> None:
    """From patterns ("runs") to `tables.SUMMARY` ("rows") and `tables.DEPTH` ("depth")."""
    from tokred.compare.summary import summarize_runs

    summary, depth = summarize_runs(open_runs(inputs["runs"]))
    _write(outputs["rows"], summary, tables.SUMMARY)
    _write(outputs["depth"], depth, tables.DEPTH)


def compare_datasets(grid: Sequence[int], inputs: Files, outputs: Mapping[str, str]) -> None:
    """From the depth maps of all data sets ("depth") to `tables.PAIRS` ("rows")."""
    from tokred.compare.datasets import compare as compare_maps

    maps = tables.read(inputs["depth"], tables.DEPTH)
    _write(outputs["rows"], compare_maps(maps, tuple(grid)), tables.PAIRS, {"axis": "datasets"})


def compare_proxies(inputs: Files, outputs: Mapping[str, str]) -> None:
    """From performance ("scores") and similarities to anchors ("pairs") to `tables.PROXIES` ("rows")."""
    from tokred.compare.proxies import correlate

    scores = tables.read(inputs["scores"], tables.SCORES)
    pairs = tables.read(inputs["pairs"], tables.PAIRS)
    _write(outputs["rows"], correlate(scores, pairs), tables.PROXIES)


def choose_pictures(
    dataset: str, size: int, crop_pct: float | None, inputs: Files, outputs: Mapping[str, str]
) -> None:
    """From the test split ("table") to `tables.PICTURES` ("rows")."""
    from tokred.compare.examples import picture_rows
    from tokred.datasets.table import ImageTable, check_table

    (table,) = inputs["table"]
    check_table(table, dataset, "test")
    _write(outputs["rows"], picture_rows(ImageTable(table), dataset, size, crop_pct), tables.PICTURES)


def show_examples(inputs: Files, outputs: Mapping[str, str]) -> None:
    """From patterns ("runs") and the data set's "pictures" to `tables.EXAMPLES` ("rows")."""
    from tokred.compare.examples import example_rows, first_picture

    (pictures,) = inputs["pictures"]
    rows = example_rows(open_runs(inputs["runs"]), first_picture(pictures))
    _write(outputs["rows"], rows, tables.EXAMPLES)


def collect(compare_with: str, inputs: Files, outputs: Mapping[str, str]) -> None:
    """Published performance, or that of all runs of another study ("scores"), to `tables.SCORES` ("rows")."""
    from tokred import published

    found = published.scores()
    if compare_with != "published":
        found = tables.read(inputs["scores"], tables.SCORES)
    _write(outputs["rows"], found.to_dict("records"), tables.SCORES)


def _write(path: str, rows: object, schema: object, facts: Mapping[str, str] | None = None) -> None:
    rows = list(rows)
    tables.write_rows(path, rows, schema, facts)
    log.info("%s: %d rows", path, len(rows))
