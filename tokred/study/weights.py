"""Checks, before any job, that the weights of a backbone exist and fit its architecture."""

from __future__ import annotations

import re
from pathlib import Path

from tokred.models import shipped
from tokred.names import nearest
from tokred.settings.backbone import Backbone

#: Values of `weights` that are not files.
_SOURCES = ("shipped", "pretrain", "timm")


def check_weights(name: str, backbone: Backbone) -> None:
    """Raises ValueError for weights that do not exist or belong to another architecture.

    Paths are relative to the working folder. Weights of timm and of the study's pretraining are not checked.

    Args:
        name: name of the backbone in the study.
    """
    key = f"settings.backbones.{name}"
    if backbone.weights == "shipped":
        try:
            path = shipped.path(name)
        except ValueError as error:
            raise ValueError(
                f"{key}.weights: {error}; expected one of these, another source, or a file"
            ) from None
    elif backbone.weights in _SOURCES:
        return
    else:
        path = Path(backbone.weights)
        if not path.is_file():
            hint = nearest(backbone.weights, _SOURCES)
            raise ValueError(
                f"{key}.weights: no such file: {backbone.weights!r}{hint}; expected 'shipped', "
                "'pretrain', 'timm' or a safetensors file"
            )
    architecture = _architecture(path, key)
    configured = {"patch_size": backbone.patch_size, "depth": backbone.depth, **backbone.kwargs}
    for setting, value in architecture.items():
        if configured.get(setting, value) != value:
            where = "kwargs." if setting in backbone.kwargs else ""
            raise ValueError(
                f"{key}.{where}{setting}: found {configured[setting]}, expected {value} as in its weights "
                f"({path}), or other `weights` ('pretrain': trained in the study)"
            )


def _architecture(path: Path, key: str) -> dict[str, int]:
    """Architecture of a ViT from the shapes of its weights; their values are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            names = list(stored.keys())
            patches = "patch_embed.proj.weight"
            shape = stored.get_slice(patches).get_shape() if patches in names else None
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{key}.weights: {path} is not a safetensors file: {error}") from None
    blocks = {int(match[1]) for name in names if (match := re.match(r"blocks\.(\d+)\.", name))}
    if shape is None or not blocks:
        raise ValueError(f"{key}.weights: {path} has no weights of a Vision Transformer with timm's names")
    return {"embed_dim": shape[0], "patch_size": shape[-1], "depth": max(blocks) + 1}
