"""`tokred methods`: what there is."""

from __future__ import annotations

from tokred.cli.options import Csv, Json, Parquet
from tokred.cli.report import Column, Output, Report
from tokred.methods import registry


def methods(json: Json = None, csv: Csv = None, parquet: Parquet = None) -> None:
    """List the methods of token reduction."""
    rows = [{"name": name, "family": registry.get(name).family.value} for name in registry.list_methods()]
    columns = [Column("name", lambda row: row["name"], right=False)]
    Output(json, csv, parquet).write(Report("Methods", columns, rows))
