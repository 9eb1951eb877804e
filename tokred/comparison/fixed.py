"""Do learned patterns differ from fixed radial ones? (paper section 5.4)"""

from __future__ import annotations

from collections.abc import Iterator

from tokred.comparison.pairs import TableRow, compare_kept
from tokred.comparison.runs import Files, groups, open_runs
from tokred.methods.registry import Family


def compare(inputs: Files) -> Iterator[TableRow]:
    """IoU of every learned pattern with every fixed one of the same keep rate."""
    kept = [file for file in open_runs(inputs["patterns"]) if file.method.kept]
    for group in groups(kept, "keep_rate", parts=["survived"]):
        fixed = [file for file in group if file.method.family is Family.FIXED]
        learned = [file for file in group if file.method.family is not Family.FIXED]
        for file in learned:
            for pattern in fixed:
                yield from compare_kept(file, pattern, "iou")
