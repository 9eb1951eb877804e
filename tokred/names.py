"""Lookup of names in configurations, with suggestions for misspelled ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


def nearest(name: str, known: Iterable[str]) -> str:
    """For an error message: " (did you mean ...?)" with the most similar known name, or an empty string."""
    match = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def lookup(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry of a registry; ValueError with the most similar known name if there is none.

    Args:
        kind: word for an entry in the message, such as "method".
    """
    if name not in entries:
        raise ValueError(f"unknown {kind} {name!r}{nearest(name, entries)}; known: {', '.join(entries)}")
    return entries[name]
