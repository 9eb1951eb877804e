"""Text files and file names of a user's data set, with errors that name the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Raises:
        ValueError: the bytes are not UTF-8.
    """
    return decoded(path.read_bytes(), path)


def decoded(data: bytes, where: object) -> str:
    """Bytes of a file as UTF-8, without a byte order mark.

    Raises:
        ValueError: the bytes are not UTF-8; the message has the line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{where}, line {line}: expected text in UTF-8, found byte 0x{data[error.start]:02x}; "
            "save the file as UTF-8"
        ) from None


def read_json(path: Path, keep: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value in a JSON file.

    Args:
        keep: function that is applied to each object.

    Raises:
        ValueError: the file is not UTF-8, or not JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_hook=keep)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from None


def entries(
    stored: Mapping[str, list[Any]], key: str, fields: Mapping[str, type | tuple[type, ...]], path: Path
) -> list[dict[str, Any]]:
    """The objects of a list in a JSON file.

    Args:
        stored: the file's lists by key.
        fields: keys that every object must have, and types of their values.

    Raises:
        ValueError: an object lacks a key, or a value has another type.
    """
    for index, entry in enumerate(stored[key]):
        for field, kinds in fields.items():
            value = entry.get(field) if isinstance(entry, dict) else None
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(
                    f"{path}: {key}[{index}]: expected an object with a {_names(kinds)} {field!r}, "
                    f"found {shortened(entry)}"
                )
    return stored[key]


def _names(kinds: type | tuple[type, ...]) -> str:
    known = {str: "text", int: "whole number"}
    return " or ".join(known[kind] for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def shortened(value: object, length: int = 100) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def is_utf8(name: str) -> bool:
    """Whether a file's name can be encoded as UTF-8 (Python represents other bytes by surrogates)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    r"""A file's name with bytes that are not UTF-8 as escapes.

    >>> printable("caf\udce9.png")
    'caf\\xe9.png'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
