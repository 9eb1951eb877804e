"""Weights that come with the package: the built-in study's backbones."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped_weights"


def path(backbone: str) -> Path:
    """File of a shipped backbone; ValueError naming those that there are."""
    file = _FOLDER / f"{backbone}.safetensors"
    if not file.exists():
        known = ", ".join(sorted(p.stem for p in _FOLDER.glob("*.safetensors")))
        raise ValueError(f"no weights are shipped for backbone {backbone!r}; shipped: {known}")
    return file
