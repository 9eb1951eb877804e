"""Findings of the paper as claims, which hold in a study or do not."""

from __future__ import annotations

from tokred.tables import registry

#: Names of the tables that the claims read.
TABLES = tuple(sorted(name for name, table in registry.TABLES.items() if table.for_claims))
