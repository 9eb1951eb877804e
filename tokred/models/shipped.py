"""Weights that come with the package: the built-in study's backbones.

`manifest.json` beside them holds, for each, the hash of its file, the recipe that made it (the workflow's
rule `pretrain` makes it again) and its properties, measured on the test split of `digits`
(`tokred.evaluation.digit_properties`). `tokred.models.ship` writes both.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tokred.files import read_json

FOLDER = Path(__file__).parent / "shipped_weights"


def path(backbone: str) -> Path:
    """File of a shipped backbone; ValueError naming those that there are."""
    file = FOLDER / f"{backbone}.safetensors"
    if not file.exists():
        raise ValueError(
            f"no weights are shipped for backbone {backbone!r}; shipped: {', '.join(manifest())}"
        )
    return file


def manifest() -> dict[str, Any]:
    """By backbone: "sha256" of its file, "recipe", "properties"."""
    return read_json(FOLDER / "manifest.json", "the list of the weights that are shipped")


def sha256(file: Path) -> str:
    """Hash of a file as the manifest has it."""
    with file.open("rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest()


def check(file: str | Path) -> None:
    """ValueError where a file of this folder is not the one that the manifest lists."""
    file = Path(file)
    if file.resolve().parent != FOLDER.resolve() or not file.exists():
        return
    found = sha256(file)
    expected = manifest().get(file.stem, {}).get("sha256")
    if found != expected:
        raise ValueError(f"{file}: found sha256 {found}, expected {expected}: install tokred again")
