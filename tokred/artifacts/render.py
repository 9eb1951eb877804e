"""From tables on disk to figures and tables in all their formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tokred.artifacts.registry import ARTIFACTS
from tokred.files import atomic_path
from tokred.presentation.table import Table
from tokred.study.view import View
from tokred.tables import schemas
from tokred.tables.registry import TABLES


def render_files(
    name: str, view: Mapping[str, object], inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str]
) -> None:
    """Read an artifact's tables and write it.

    Args:
        name: of the artifact.
        view: fields of the `View`.
        inputs: files of each table that it needs.
        outputs: path by format.
    """
    frames = {table: schemas.read(files, TABLES[table].columns, table) for table, files in inputs.items()}
    render(name, frames, View.of(view), outputs.values())


def render(name: str, frames: Mapping[str, pd.DataFrame], view: View, outputs: Iterable[str]) -> None:
    """Make an artifact once, and write it in each format.

    Raises:
        ValueError: the study cannot have the artifact, a table is empty, or a suffix is none of its formats.
    """
    artifact = ARTIFACTS[name]
    reason = artifact.unavailable_reason(view)
    if reason is not None:
        raise ValueError(reason)
    for table in artifact.needs:
        if frames[table].empty:
            raise ValueError(f"{name}: its table {table!r} has no rows in study {view.study!r}")
    made = artifact.make(frames, view)
    for output in outputs:
        suffix = Path(output).suffix.removeprefix(".")
        if suffix not in artifact.formats:
            raise ValueError(f"{output}: expected one of the formats {', '.join(artifact.formats)}")
        if isinstance(made, Table):
            text = {"csv": made.csv, "html": made.html, "md": made.markdown, "tex": made.latex}[suffix]()
            with atomic_path(output) as temporary:
                temporary.write_text(text, encoding="utf-8")
        else:
            from tokred.artifacts.style import save

            save(made, output, artifact.title, artifact.caption_for(view))
