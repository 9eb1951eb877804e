"""Lineage: which code made which results.

The metadata of every table have an entry "code": by stage, the fingerprint of the code that made the table,
and of the code that made its inputs (`tokred.orchestration.provenance`). A stage is a rule, such as "train",
or the code in it that is specific to a method or data set, such as "train topk". Tables of several runs list
all fingerprints of a stage.

A study is *mixed* if a stage has several fingerprints. Snakemake makes such results again, unless a user
keeps old ones on purpose (`--rerun-triggers mtime`).
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from tokred.files import atomic_path
from tokred.presentation.page import page
from tokred.tables import schemas

log = logging.getLogger(__name__)

#: Fingerprints by stage.
Codes = dict[str, list[str]]
#: Tables by stage and fingerprint: those that this code made, or whose inputs it made.
Lineage = dict[str, dict[str, list[str]]]
#: Stage and fingerprint of tables without this entry, such as those of tokred 0.1.
_UNKNOWN = "unknown"
_HEADS = ("stage", "fingerprint", "tables", "which")


def codes(metadata: Mapping[str, object]) -> Codes:
    """Fingerprints of the code behind a table, from its metadata."""
    by_stage = metadata.get("code")
    if not isinstance(by_stage, Mapping):
        return {_UNKNOWN: [_UNKNOWN]}
    return {stage: [code] if isinstance(code, str) else list(code) for stage, code in by_stage.items()}


def lineage(paths: Iterable[str | Path]) -> Lineage:
    """The code behind some tables."""
    tables: Lineage = {}
    for path in paths:
        for stage, fingerprints in codes(schemas.metadata(path)).items():
            for fingerprint in fingerprints:
                tables.setdefault(stage, {}).setdefault(fingerprint, []).append(str(path))
    return {stage: tables[stage] for stage in sorted(tables)}


def inherited(paths: Iterable[str | Path], own: Mapping[str, str]) -> dict[str, object]:
    """Metadata of a table that is made from others; logs a warning if these are mixed.

    Args:
        paths: the tables that it is made from.
        own: fingerprints of the code that makes it, by stage.
    """
    tables = lineage(paths)
    if mixed(tables):
        log.warning("made from results of different code: %s", sentence(tables))
    return {"code": {**{stage: sorted(made) for stage, made in tables.items()}, **own}}


def mixed(tables: Lineage) -> Lineage:
    """The stages with several fingerprints. Unknown code differs from all other code."""
    return {s: made for s, made in tables.items() if len(made) > 1 or (s == _UNKNOWN and len(tables) > 1)}


def sentence(tables: Lineage) -> str:
    """The mixed stages as text.

    >>> sentence({"train": {"1f": ["a", "b"], "9a": ["c"]}, "extract": {"27": ["a", "b", "c"]}})
    'train (1f: 2 tables, 9a: 1)'
    """
    return "; ".join(f"{stage} ({_counts(made)})" for stage, made in mixed(tables).items())


def _counts(made: Mapping[str, Sequence[str]]) -> str:
    first, *others = _by_number(made)
    return ", ".join([f"{first}: {len(made[first])} tables", *(f"{f}: {len(made[f])}" for f in others)])


def _by_number(made: Mapping[str, Sequence[str]]) -> list[str]:
    """Fingerprints in descending order of their number of tables."""
    return sorted(made, key=lambda fingerprint: (-len(made[fingerprint]), fingerprint))


def write(study: str, inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str]) -> None:
    """Job: write the lineage of a study's tables ("tables") as a page ("html", "md") and a list ("csv")."""
    tables = lineage(inputs["tables"])
    rows, title = list(_rows(tables, study)), f"Code that made study {study}"
    note = "Each stage was done by a single version of the code."
    if mixed(tables):
        note = f"Mixed: some stages were done by several versions of the code: {sentence(tables)}."
    texts = {
        "csv": _csv(tables, study),
        "md": _markdown(rows, title, note),
        "html": _html(rows, title, note),
    }
    for name, text in texts.items():
        with atomic_path(outputs[name]) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _markdown(rows: Iterable[Sequence[str]], title: str, note: str) -> str:
    table = [_HEADS, ["---"] * len(_HEADS), *rows]
    return "\n".join([f"# {title}", "", note, "", *(f"| {' | '.join(row)} |" for row in table), ""])


def _html(rows: Iterable[Sequence[str]], title: str, note: str) -> str:
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    table = f'<table class="text"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return page(title, f"<p>{escape(note)}</p>{table}")


def _rows(tables: Lineage, study: str) -> Iterator[tuple[str, str, str, str]]:
    """Stage, fingerprint, number of tables, and, where the stage is mixed, their names."""
    for stage, made in tables.items():
        for fingerprint in _by_number(made):
            files = made[fingerprint]
            which = "all" if len(made) == 1 else ", ".join(_name(file, study) for file in files)
            yield stage, fingerprint, str(len(files)), which


def _csv(tables: Lineage, study: str) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "stage", "fingerprint"])
    for stage, made in tables.items():
        for fingerprint, files in made.items():
            writer.writerows([_name(file, study), stage, fingerprint] for file in files)
    return buffer.getvalue()


def _name(file: str, study: str) -> str:
    """A table's path below the study's folder, without its suffix."""
    return Path(file).as_posix().removeprefix(f"results/{study}/").removesuffix(".parquet")
