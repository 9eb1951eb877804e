"""Which code made which results.

Every table has among its metadata "code": by stage, the fingerprint (`tokred.orchestration.provenance`) of
the code that made it, and of the code that made what it was made from. A stage is a rule, such as "train", or
the part of it that is a method's or a data set's own, such as "train topk". Tables made from several runs
name all the fingerprints of a stage.

A study is *mixed* where a stage has several fingerprints. Snakemake makes such results anew, unless a user
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

#: By stage: its fingerprints.
Codes = dict[str, list[str]]
#: By stage and fingerprint: the tables that this code made, or made something for.
Lineage = dict[str, dict[str, list[str]]]
#: Stage and fingerprint of tables that do not say, such as those of tokred 0.1.
_UNKNOWN = "unknown"
_HEADS = ("stage", "fingerprint", "tables", "which")


def codes(metadata: Mapping[str, object]) -> Codes:
    """What a table's metadata say of the code behind it."""
    stated = metadata.get("code")
    if not isinstance(stated, Mapping):
        return {_UNKNOWN: [_UNKNOWN]}
    return {stage: [found] if isinstance(found, str) else list(found) for stage, found in stated.items()}


def lineage(paths: Iterable[str | Path]) -> Lineage:
    """The code behind some tables."""
    found: Lineage = {}
    for path in paths:
        for stage, fingerprints in codes(schemas.metadata(path)).items():
            for fingerprint in fingerprints:
                found.setdefault(stage, {}).setdefault(fingerprint, []).append(str(path))
    return {stage: found[stage] for stage in sorted(found)}


def inherited(paths: Iterable[str | Path], own: Mapping[str, str]) -> dict[str, object]:
    """Metadata of a table that is made from others; a warning in the log where these are mixed.

    Args:
        paths: tables that it is made from.
        own: by stage, the fingerprint of the code that makes it.
    """
    found = lineage(paths)
    if mixed(found):
        log.warning("made from results of different code: %s", sentence(found))
    return {"code": {**{stage: sorted(made) for stage, made in found.items()}, **own}}


def mixed(found: Lineage) -> Lineage:
    """The stages with several fingerprints; of unknown code everything else differs."""
    return {s: made for s, made in found.items() if len(made) > 1 or (s == _UNKNOWN and len(found) > 1)}


def sentence(found: Lineage) -> str:
    """What is mixed, for people.

    >>> sentence({"train": {"1f": ["a", "b"], "9a": ["c"]}, "extract": {"27": ["a", "b", "c"]}})
    'train (1f: 2 tables, 9a: 1)'
    """
    return "; ".join(f"{stage} ({_counts(made)})" for stage, made in mixed(found).items())


def _counts(made: Mapping[str, Sequence[str]]) -> str:
    first, *others = _by_number(made)
    return ", ".join([f"{first}: {len(made[first])} tables", *(f"{f}: {len(made[f])}" for f in others)])


def _by_number(made: Mapping[str, Sequence[str]]) -> list[str]:
    """Fingerprints, that of the most tables first."""
    return sorted(made, key=lambda fingerprint: (-len(made[fingerprint]), fingerprint))


def write(study: str, inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str]) -> None:
    """The job: from all tables of a study ("tables") to a page ("html", "md") and a list ("csv")."""
    found = lineage(inputs["tables"])
    rows, title = list(_rows(found, study)), f"Code that made study {study}"
    note = "Each stage was done by one code."
    if mixed(found):
        note = f"Mixed: results of different code are side by side: {sentence(found)}."
    texts = {
        "csv": _csv(found, study),
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


def _rows(found: Lineage, study: str) -> Iterator[tuple[str, str, str, str]]:
    """A stage, a fingerprint, the number of tables, and which these are where the stage is mixed."""
    for stage, made in found.items():
        for fingerprint in _by_number(made):
            files = made[fingerprint]
            which = "all" if len(made) == 1 else ", ".join(_name(file, study) for file in files)
            yield stage, fingerprint, str(len(files)), which


def _csv(found: Lineage, study: str) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "stage", "fingerprint"])
    for stage, made in found.items():
        for fingerprint, files in made.items():
            writer.writerows([_name(file, study), stage, fingerprint] for file in files)
    return buffer.getvalue()


def _name(file: str, study: str) -> str:
    """A table's path below the study's folder, without its suffix."""
    return Path(file).as_posix().removeprefix(f"results/{study}/").removesuffix(".parquet")
