"""Weights that come with the package: the built-in study's backbones.

`manifest.json` beside them holds, for each, the hash of its file, the recipe that made it (the workflow's
target `pretrain` makes it again) and its accuracy on the test split of `digits`.
"""

from __future__ import annotations

import json
from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped_weights"


def path(backbone: str) -> Path:
    """File of a shipped backbone; ValueError naming those that there are."""
    file = _FOLDER / f"{backbone}.safetensors"
    if not file.exists():
        raise ValueError(
            f"no weights are shipped for backbone {backbone!r}; shipped: {', '.join(manifest())}"
        )
    return file


def manifest() -> dict[str, dict[str, object]]:
    """By backbone: "sha256" of its file, "recipe", "top1" in percent."""
    return json.loads((_FOLDER / "manifest.json").read_text(encoding="utf-8"))
