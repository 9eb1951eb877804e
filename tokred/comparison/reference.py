"""The performance that a study is compared with, and that of a study without models of its own."""

from __future__ import annotations

from typing import Any

from tokred import published
from tokred.comparison.runs import Files
from tokred.tables import schemas
from tokred.tables.registry import OTHER_STUDY


def scores(inputs: Files, compare_with: str | None) -> list[dict[str, Any]]:
    """Published performance, or that of all runs of another study (`schemas.SCORES`).

    Args:
        compare_with: "published", or the name of the study whose scores are among the inputs.
    """
    if compare_with == "published":
        return published.scores().to_dict("records")
    return schemas.read(inputs[OTHER_STUDY], schemas.SCORES).to_dict("records")
