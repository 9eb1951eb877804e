"""Identity of a file, from its metadata, compared with the expected one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Format version of all files that tokred reads again. It is raised when the meaning of columns, tensors or
#: metadata changes.
VERSION = 1
#: What to do about a damaged or outdated result, for error messages.
REDO = "delete it, and the workflow makes it again"
#: Number of differences that an error message lists.
_SHOWN = 5


def check_format(path: str | Path, actual: Mapping[str, object] | None, kind: str | None) -> None:
    """Compare the format in a file's metadata with the expected one.

    Args:
        actual: "kind" and "version" in the metadata; None if there are none.
        kind: expected kind, such as "scores"; None accepts every kind.

    Raises:
        ValueError: the version or kind differs.
    """
    stored = {} if actual is None else actual
    version = stored.get("version")
    if version != VERSION:
        shown = "no version" if version is None else f"version {version!r}"
        raise ValueError(
            f"{path}: found {shown} of tokred's file format, expected version {VERSION}: it was written by "
            f"another tokred; {REDO}"
        )
    if kind is not None:
        check_kind(path, stored.get("kind"), kind)


def check_kind(path: str | Path, actual: object, expected: str) -> None:
    """Raises ValueError unless a file has the expected kind, such as "scores"."""
    if actual != expected:
        raise ValueError(f"{path}: holds {actual or 'data of no kind'}, expected {expected}")


def check(path: str | Path, actual: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Compare facts in a file's metadata with the expected ones.

    Only expected keys are compared. Nested mappings are compared key by key, after conversion to JSON.

    Raises:
        ValueError: facts differ; the message names the file and the differences.

    >>> check("a.parquet", {"run": {"seed": 7}}, {"run": {"seed": 0}})
    Traceback (most recent call last):
    ...
    ValueError: a.parquet: is of run.seed 7, expected run.seed 0
    """
    wanted = dict(_flat("", json.loads(json.dumps(expected))))
    present = dict(_flat("", json.loads(json.dumps(dict(actual)))))
    # Keys below an expected mapping that only the file has are differences as well.
    names = [*wanted, *(n for n in present if n not in wanted and any(_below(n, key) for key in expected))]
    wrong = [name for name in names if present.get(name) != wanted.get(name)]
    absent = [key for key in expected if key not in actual]
    if absent:
        raise ValueError(
            f"{path}: its metadata lack {', '.join(absent)}; expected {_described(wrong, wanted)}"
        )
    if wrong:
        raise ValueError(f"{path}: is of {_described(wrong, present)}, expected {_described(wrong, wanted)}")


def _flat(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _below(name: str, key: str) -> bool:
    return name.startswith(f"{key}.")


def _described(names: list[str], values: Mapping[str, object]) -> str:
    shown = [f"{name} {values[name]!r}" if name in values else f"no {name}" for name in names[:_SHOWN]]
    return ", ".join([*shown, *([f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else [])])
