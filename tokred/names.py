"""Names and options that users write, checked against those that there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
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


def make_options(owner: str, options: type, given: Mapping[str, object]) -> object:
    """An options object of what a user gave.

    Args:
        owner: what the message calls the owner of the options, such as "method 'topk'".
        options: frozen dataclass that raises ValueError for values out of range.

    Raises:
        ValueError: an unknown name, or a value that makes no sense.
    """
    known = [field.name for field in fields(options)]
    for name in given:
        if name not in known:
            raise ValueError(
                f"{owner} has no option {name!r}{nearest(name, known)}; "
                f"it takes: {', '.join(known) or 'none'}"
            )
        if isinstance(given[name], int) and not -(2**63) <= given[name] < 2**63:
            raise ValueError(f"{owner}: {name} {given[name]}: expected an integer of at most 64 bits")
    try:
        return options(**given)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{owner}: {error}") from error
