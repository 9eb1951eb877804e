"""The studies that come with tokred, and changed copies of them."""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tokred.settings import parse
from tokred.study.study import Study

ROOT = Path(__file__).parents[2]
SOURCE = "study.yaml"


@cache
def _stored(path: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / path).read_text())


def default() -> dict[str, Any]:
    """The values of config.yaml."""
    return copy.deepcopy(_stored("config.yaml"))


def overlaid(values: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Mappings merged at every depth, everything else replaced: what Snakemake's --configfile does."""
    merged = dict(values)
    for key, value in overlay.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


def smoke() -> dict[str, Any]:
    """The values of the smoke study."""
    return overlaid(default(), copy.deepcopy(_stored("workflow/studies/smoke.yaml")))


def study(changes: dict[str, Any] | None = None) -> Study:
    """The default study with some values changed."""
    return parse(Study, overlaid(default(), changes or {}), SOURCE)


def at(path: str, value: object) -> dict[str, Any]:
    """Nested mappings with one value at a dotted path."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def refused(changes: dict[str, Any], *parts: str) -> None:
    """The default study with these changes is refused, with all these parts in the message."""
    with pytest.raises(ValueError, match=rf"^{re.escape(SOURCE)}: invalid configuration") as error:
        study(changes)
    for part in parts:
        assert part in str(error.value)
