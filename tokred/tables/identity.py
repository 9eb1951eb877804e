"""What a file says of itself, compared with what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Version of the format of all files that tokred reads again. A change of what columns, tensors or metadata
#: mean raises it.
VERSION = 1
#: What a damaged or outdated result needs.
REDO = "delete it, and the workflow makes it again"
#: How many differences a message tells.
_TOLD = 5


def check_format(path: str | Path, found: Mapping[str, object] | None, kind: str | None) -> None:
    """Compare the format that a file names with the one that is read.

    Args:
        found: "kind" and "version" as the file has them; None: it names no format.
        kind: expected kind, such as "scores"; None accepts every kind.

    Raises:
        ValueError: another version or kind.
    """
    stored = {} if found is None else found
    version = stored.get("version")
    if version != VERSION:
        told = "no version" if version is None else f"version {version!r}"
        raise ValueError(
            f"{path}: found {told} of tokred's file format, expected version {VERSION}: it was written by "
            f"another tokred; {REDO}"
        )
    if kind is not None:
        check_kind(path, stored.get("kind"), kind)


def check_kind(path: str | Path, found: object, expected: str) -> None:
    """ValueError where a file is of another kind, such as "scores", than what is read."""
    if found != expected:
        raise ValueError(f"{path}: holds {found or 'data of no kind'}, expected {expected}")


def check(path: str | Path, found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Compare facts that a file states with those that are expected of it.

    Only expected keys are compared, nested ones one by one, as they are in JSON.

    Raises:
        ValueError: names the file, and what differs in it.

    >>> check("a.parquet", {"run": {"seed": 7}}, {"run": {"seed": 0}})
    Traceback (most recent call last):
    ...
    ValueError: a.parquet: is of run.seed 7, expected run.seed 0
    """
    wanted = dict(_flat("", json.loads(json.dumps(expected))))
    present = dict(_flat("", json.loads(json.dumps(dict(found)))))
    # Keys below an expected mapping that only the file has are differences, too.
    names = [*wanted, *(n for n in present if n not in wanted and any(_below(n, key) for key in expected))]
    wrong = [name for name in names if present.get(name) != wanted.get(name)]
    absent = [key for key in expected if key not in found]
    if absent:
        raise ValueError(f"{path}: does not say its {', '.join(absent)}; expected {_told(wrong, wanted)}")
    if wrong:
        raise ValueError(f"{path}: is of {_told(wrong, present)}, expected {_told(wrong, wanted)}")


def _flat(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _below(name: str, key: str) -> bool:
    return name.startswith(f"{key}.")


def _told(names: list[str], values: Mapping[str, object]) -> str:
    told = [f"{name} {values[name]!r}" if name in values else f"no {name}" for name in names[:_TOLD]]
    return ", ".join([*told, *([f"and {len(names) - _TOLD} more"] if len(names) > _TOLD else [])])
