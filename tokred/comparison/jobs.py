"""What the workflow's comparison jobs do: from files to files.

Every table says which code made it and what it was made from, see `tokred.orchestration.lineage`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from tokred.comparison.runs import open_runs
from tokred.comparison.summary import summarize_runs
from tokred.orchestration import lineage
from tokred.tables import schemas

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

Files = Mapping[str, Sequence[str]]
#: By stage: the fingerprint of the code that does it.
Code = Mapping[str, str]
_UNKNOWN: Code = MappingProxyType({})


def compare(axis: str, inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """Compare runs with the module `tokred.comparison.<axis>`.

    Args:
        inputs: "runs", tables of runs (patterns or features).
        outputs: "rows", a `schemas.PAIRS` table.
        code: by stage, the fingerprint of the code that does it, stored with what is written.
    """
    made_by = lineage.inherited(inputs["runs"], code)
    module = importlib.import_module(f"tokred.comparison.{axis}")
    facts = {**made_by, "axis": axis}
    _write(outputs["rows"], module.compare(open_runs(inputs["runs"])), schemas.PAIRS, facts)


def summarize(inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """From patterns ("runs") to `schemas.SUMMARY` ("rows") and `schemas.DEPTH` ("depth")."""
    made_by = lineage.inherited(inputs["runs"], code)
    summary, depth = summarize_runs(open_runs(inputs["runs"]))
    _write(outputs["rows"], summary, schemas.SUMMARY, made_by)
    _write(outputs["depth"], depth, schemas.DEPTH, made_by)


def compare_object_recall(
    dataset: str,
    size: int,
    crop_pct: float | None,
    inputs: Files,
    outputs: Mapping[str, str],
    code: Code = _UNKNOWN,
) -> None:
    """From patterns ("runs") and the test split with masks ("table") to `schemas.OBJECT_RECALL` ("rows")."""
    from tokred.comparison.object_recall import compare as compare_with_masks
    from tokred.data.image_table import check_table

    (table,) = inputs["table"]
    check_table(table, dataset, "test")
    made_by = lineage.inherited([*inputs["runs"], table], code)
    rows = compare_with_masks(open_runs(inputs["runs"]), table, size, crop_pct)
    _write(outputs["rows"], rows, schemas.OBJECT_RECALL, made_by)


def compare_datasets(
    grid: Sequence[int], inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN
) -> None:
    """From the depth maps of all data sets ("depth") to `schemas.PAIRS` ("rows")."""
    from tokred.comparison.datasets import compare as compare_maps

    made_by = lineage.inherited(inputs["depth"], code)
    maps = schemas.read(inputs["depth"], schemas.DEPTH)
    facts = {**made_by, "axis": "datasets"}
    _write(outputs["rows"], compare_maps(maps, tuple(grid)), schemas.PAIRS, facts)


def compare_proxies(inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """From performance ("scores") and similarities to anchors ("pairs") to `schemas.PROXIES` ("rows")."""
    from tokred.comparison.proxies import correlate

    made_by = lineage.inherited([*inputs["scores"], *inputs["pairs"]], code)
    scores = schemas.read(inputs["scores"], schemas.SCORES)
    pairs = schemas.read(inputs["pairs"], schemas.PAIRS)
    _write(outputs["rows"], correlate(scores, pairs), schemas.PROXIES, made_by)


def choose_pictures(
    dataset: str,
    size: int,
    crop_pct: float | None,
    inputs: Files,
    outputs: Mapping[str, str],
    code: Code = _UNKNOWN,
) -> None:
    """From the test split ("table") to `schemas.PICTURES` ("rows")."""
    from tokred.comparison.examples import picture_rows
    from tokred.data.image_table import ImageTable, check_table

    (table,) = inputs["table"]
    check_table(table, dataset, "test")
    made_by = lineage.inherited([table], code)
    _write(
        outputs["rows"], picture_rows(ImageTable(table), dataset, size, crop_pct), schemas.PICTURES, made_by
    )


def show_examples(inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """From patterns ("runs") and the data set's "pictures" to `schemas.EXAMPLES` ("rows")."""
    from tokred.comparison.examples import example_rows, first_picture

    (pictures,) = inputs["pictures"]
    made_by = lineage.inherited([*inputs["runs"], pictures], code)
    rows = example_rows(open_runs(inputs["runs"]), first_picture(pictures))
    _write(outputs["rows"], rows, schemas.EXAMPLES, made_by)


def collect(compare_with: str, inputs: Files, outputs: Mapping[str, str], code: Code = _UNKNOWN) -> None:
    """Published performance, or that of all runs of a study ("scores"), to `schemas.SCORES` ("rows")."""
    from tokred import published

    found = published.scores()
    if compare_with != "published":
        found = schemas.read(inputs["scores"], schemas.SCORES)
    # Another study has code of its own, which is no part of this one's.
    _write(outputs["rows"], found.to_dict("records"), schemas.SCORES, {"code": dict(code)})


def _write(
    path: str, rows: Iterable[Mapping[str, object]], schema: pa.Schema, made_by: Mapping[str, object]
) -> None:
    rows = list(rows)
    schemas.write_rows(path, rows, schema, made_by)
    log.info("%s: %d rows", path, len(rows))
