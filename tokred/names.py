"""Names that users write, checked against those that exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an error message: the known name most like the given one, or nothing."""
    match = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def lookup(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry of a registry; ValueError with the nearest known name otherwise.

    Args:
        kind: what the message calls an entry, such as "method".
    """
    if name not in entries:
        raise ValueError(f"unknown {kind} {name!r}{nearest(name, entries)}; known: {', '.join(entries)}")
    return entries[name]
