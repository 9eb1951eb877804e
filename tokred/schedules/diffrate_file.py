"""DiffRate's file of searched numbers of tokens.

The published `compression_rate.json` is a JSON object: for each model, and for each cost of the model in
billions of multiply-accumulates, as text, an object with the lists `prune_kept_num` and `merge_kept_num`. The
lists are themselves text ("[197, 192, 3]"); lists of numbers are accepted too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tokred.files import read_json
from tokred.names import nearest

#: Key of each list, by the name of the schedule's field.
KEYS = {"prune": "prune_kept_num", "merge": "merge_kept_num"}


def read_lists(path: str | Path, model: str, gmacs: float | str) -> dict[str, list[int]]:
    """The lists of a model at a cost, by the name of the field of `DiffRate`.

    Args:
        path: the JSON file.
        model: name of the model in the file, such as "ViT-S-DeiT".
        gmacs: its cost in billions of multiply-accumulates, as in the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or lacks the model, the cost or one of its lists.
    """
    stored = read_json(path, "DiffRate's numbers of tokens, by model and cost")
    costs = _mapping(f"{path}", stored, model, "model")
    cost = next((key for key in costs if _number(key) == _number(gmacs)), str(gmacs))
    entry = _mapping(f"{path}: model {model!r}", costs, cost, "cost (GMACs)")
    place = f"{path}: model {model!r}, cost {cost}"
    for key in KEYS.values():
        if key not in entry:
            raise ValueError(
                f"{place}: expected the keys {', '.join(KEYS.values())}, found {', '.join(entry)}"
            )
    return {field: _numbers(f"{place}: {key}", entry[key]) for field, key in KEYS.items()}


def _mapping(place: str, entries: Mapping[str, Any], key: str, kind: str) -> Mapping[str, Any]:
    """The entry of a key, which must be a JSON object too."""
    if key not in entries:
        known = ", ".join(entries) or "none"
        raise ValueError(f"{place}: has no {kind} {key!r}{nearest(key, entries)}; known: {known}")
    entry = entries[key]
    if not isinstance(entry, dict):
        raise ValueError(f"{place}: {kind} {key!r}: expected a JSON object, found {entry!r}")
    return entry


def _number(text: float | str) -> Decimal | str:
    """The number that a text says, so that "10.0" is 10; other texts as they are."""
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return str(text)


def _numbers(place: str, value: object) -> list[int]:
    """A list of integers, which may be given as text."""
    numbers = value
    if isinstance(value, str):
        try:
            numbers = json.loads(value)
        except ValueError:
            numbers = None
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise ValueError(f"{place}: expected a list of numbers of tokens, found {value!r}")
    return numbers
