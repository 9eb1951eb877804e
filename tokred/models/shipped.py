"""Weights that come with the package: the built-in study's backbones.

`manifest.json` in the same folder has, for each backbone, the hash of its file, the recipe of its pretraining
(which the workflow's rule `pretrain` repeats) and its properties, measured on the test split of `digits`
(`tokred.evaluation.digit_properties`). `tokred.models.ship` writes both.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tokred.files import read_json

FOLDER = Path(__file__).parent / "shipped_weights"


def path(backbone: str) -> Path:
    """File of a shipped backbone; ValueError that lists the shipped ones otherwise."""
    file = FOLDER / f"{backbone}.safetensors"
    if not file.exists():
        raise ValueError(
            f"no weights are shipped for backbone {backbone!r}; shipped: {', '.join(manifest())}"
        )
    return file


def manifest() -> dict[str, Any]:
    """For each backbone: "sha256" of its file, "recipe", "properties"."""
    return read_json(FOLDER / "manifest.json", "the list of the weights that are shipped")


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest()


def check(file: str | Path) -> None:
    """Raise ValueError if a file of this folder does not have the hash in the manifest."""
    file = Path(file)
    if file.resolve().parent != FOLDER.resolve() or not file.exists():
        return
    found = sha256(file)
    expected = manifest().get(file.stem, {}).get("sha256")
    if found != expected:
        raise ValueError(f"{file}: found sha256 {found}, expected {expected}: install tokred again")
