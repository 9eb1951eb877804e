"""`python -m tokred.tables`: the list of result tables in docs/results.md."""

from __future__ import annotations

from tokred.tables.registry import markdown

print(markdown())
