"""What the workflow's comparison jobs do: from files to files.

Every table says which code made it and what it was made from, see `tokred.lineage`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from tokred import lineage, tables
from tokred.compare.runs import open_runs

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

Files = Mapping[str, Sequence[str]]
#: By stage: the fingerprint of the code that does it.
Code = Mapping[str, str]
_UNKNOWN: Code = MappingProxyType({})


def compare(axis: str, inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """Compare runs with the module `tokred.compare.<axis>`.

    Args:
        inputs: "runs", tables of runs (patterns or features).
        outputs: "rows", a `tables.PAIRS` table.
        code: by stage, the fingerprint of the code that does it, stored with what is written.
    """
    made_by = lineage.inherited(inputs["runs"], code)
    module = importlib.import_module(f"tokred.compare.{axis}")
    facts = {**made_by, "axis": axis}
    _write(outputs["rows"], module.compare(open_runs(inputs["runs"])), tables.PAIRS, facts)


def summarize(inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """From patterns ("runs") to `tables.SUMMARY` ("rows") and `tables.DEPTH` ("depth")."""
    from tokred.compare.summary import summarize_runs

    made_by = lineage.inherited(inputs["runs"], code)
    summary, depth = summarize_runs(open_runs(inputs["runs"]))
    _write(outputs["rows"], summary, tables.SUMMARY, made_by)
    _write(outputs["depth"], depth, tables.DEPTH, made_by)


def compare_datasets(
    grid: Sequence[int], inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN
) -> None:
    """From the depth maps of all data sets ("depth") to `tables.PAIRS` ("rows")."""
    from tokred.compare.datasets import compare as compare_maps

    made_by = lineage.inherited(inputs["depth"], code)
    maps = tables.read(inputs["depth"], tables.DEPTH)
    facts = {**made_by, "axis": "datasets"}
    _write(outputs["rows"], compare_maps(maps, tuple(grid)), tables.PAIRS, facts)


def compare_proxies(inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """From performance ("scores") and similarities to anchors ("pairs") to `tables.PROXIES` ("rows")."""
    from tokred.compare.proxies import correlate

    made_by = lineage.inherited([*inputs["scores"], *inputs["pairs"]], code)
    scores = tables.read(inputs["scores"], tables.SCORES)
    pairs = tables.read(inputs["pairs"], tables.PAIRS)
    _write(outputs["rows"], correlate(scores, pairs), tables.PROXIES, made_by)


def choose_pictures(
    dataset: str,
    size: int,
    crop_pct: float | None,
    inputs: Files,
    outputs: Mapping[str, str],
    code: Code = _UNKNOWN,
) -> None:
    """From the test split ("table") to `tables.PICTURES` ("rows")."""
    from tokred.compare.examples import picture_rows
    from tokred.datasets.table import ImageTable, check_table

    (table,) = inputs["table"]
    check_table(table, dataset, "test")
    made_by = lineage.inherited([table], code)
    _write(
        outputs["rows"], picture_rows(ImageTable(table), dataset, size, crop_pct), tables.PICTURES, made_by
    )


def show_examples(inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """From patterns ("runs") and the data set's "pictures" to `tables.EXAMPLES` ("rows")."""
    from tokred.compare.examples import example_rows, first_picture

    (pictures,) = inputs["pictures"]
    made_by = lineage.inherited([*inputs["runs"], pictures], code)
    rows = example_rows(open_runs(inputs["runs"]), first_picture(pictures))
    _write(outputs["rows"], rows, tables.EXAMPLES, made_by)


def collect(compare_with: str, inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """Published performance, or that of all runs of another study ("scores"), to `tables.SCORES` ("rows")."""
    from tokred import published

    found = published.scores()
    if compare_with != "published":
        found = tables.read(inputs["scores"], tables.SCORES)
    # Another study has code of its own, which is no part of this one's.
    _write(outputs["rows"], found.to_dict("records"), tables.SCORES, {"code": dict(code)})


def _write(
    path: str, rows: Iterable[Mapping[str, object]], schema: pa.Schema, made_by: Mapping[str, object]
) -> None:
    rows = list(rows)
    tables.write_rows(path, rows, schema, made_by)
    log.info("%s: %d rows", path, len(rows))
