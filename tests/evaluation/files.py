"""The files of an extraction."""

from __future__ import annotations

from pathlib import Path

from tokred.evaluation.extract import Outputs


def outputs(folder: Path) -> Outputs:
    """The four files that an extraction writes, in a folder."""
    return Outputs(
        *(str(folder / f"{name}.parquet") for name in ("predictions", "patterns", "features", "score"))
    )
