"""`tokred methods`: what there is, and what each method needs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tokred.cli.options import Csv, Json, Parquet
from tokred.cli.report import Column, Output, Report, Row
from tokred.methods import registry
from tokred.methods.registry import Family, Method
from tokred.run import UNREDUCED

_FILTERS = "Which methods"


def methods(
    pattern: Annotated[
        str, typer.Argument(metavar="[PATTERN]", help="Names, with `*` for any letters.", show_default=False)
    ] = "*",
    family: Annotated[
        str | None,
        typer.Option(
            "--family",
            "-f",
            metavar="FAMILY",
            help=f"One of: {', '.join(each.value for each in Family if each is not Family.NONE)}.",
            rich_help_panel=_FILTERS,
            show_default=False,
        ),
    ] = None,
    keeps: Annotated[
        bool | None,
        typer.Option(
            "--keeps/--keeps-none",
            help="Its tokens stand for input tokens (kept ones, or centers of clusters).",
            rich_help_panel=_FILTERS,
            show_default=False,
        ),
    ] = None,
    merges: Annotated[
        bool | None,
        typer.Option(
            "--merges/--merges-none",
            help="Its tokens join several input tokens.",
            rich_help_panel=_FILTERS,
            show_default=False,
        ),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Works without training.", rich_help_panel=_FILTERS)
    ] = False,
    json: Json = None,
    csv: Csv = None,
    parquet: Parquet = None,
) -> None:
    """List the methods of token reduction, and what each of them needs."""
    output = Output(json, csv, parquet)
    output.check()
    names = registry.list_methods(pattern, family=family, kept=keeps, clusters=merges)
    chosen = [registry.get(name) for name in names if name != UNREDUCED]
    rows = [_row(method) for method in chosen if not (untrained and method.must_train)]
    if not rows:
        raise ValueError(f"no method is called like {pattern!r} and as the other options say")
    output.write(Report(f"{len(rows)} methods", _COLUMNS, rows, notes=_NOTES))


def _row(method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "label": method.plain_label,
        "family": method.family.value,
        "keeps": method.kept,
        "merges": method.clusters,
        "must_train": method.must_train or None,
        "needs_attention": method.needs_attention,
        "dynamic": method.dynamic,
        "min_keep_rate": float(method.min_keep_rate),
        "two_numbers_per_block": method.prunes_and_merges,
        "first_block": method.limits.first_block,
        "options": sorted(method.options.model_fields),
        "summary": method.summary,
        "reference": method.reference,
    }


def _mark(value: object) -> str:
    return "yes" if value else ""


def _rates(row: Row) -> str:
    return f">= {row['min_keep_rate']:g}" if row["min_keep_rate"] else "any"


_COLUMNS = (
    Column("name", lambda row: str(row["name"]), right=False),
    Column("family", lambda row: str(row["family"]), right=False),
    Column("keeps", lambda row: _mark(row["keeps"]), right=False, drop=2),
    Column("merges", lambda row: _mark(row["merges"]), right=False, drop=1),
    Column("must be\ntrained", lambda row: _mark(row["must_train"]), right=False),
    Column("keep\nrates", _rates, right=False),
    Column("attention", lambda row: _mark(row["needs_attention"]), right=False, drop=3),
    Column("reference", lambda row: str(row["reference"]), right=False),
)
_NOTES = (
    "keeps: its tokens stand for input tokens. merges: they join several. must be trained: it has layers of",
    "its own. keep rates: of one stage. attention: of the block before, so that stages begin in block 1.",
)
