"""What the paper finds, as checks that a study either passes or does not."""

from __future__ import annotations

from tokred.tables import registry

#: Names of the tables that the claims read.
TABLES = tuple(sorted(name for name, table in registry.TABLES.items() if table.for_claims))
