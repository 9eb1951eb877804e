"""Whether the weights that a backbone names are there and are the backbone's, before any job needs them."""

from __future__ import annotations

import re
from pathlib import Path

from tokred.models import shipped
from tokred.names import nearest
from tokred.settings.backbone import Backbone

#: Values of `weights` that are no files.
_SOURCES = ("shipped", "pretrain", "timm")


def check_weights(name: str, backbone: Backbone) -> None:
    """Raises ValueError for weights that are not there or belong to another architecture.

    Paths are relative to the working folder. Weights of timm and of the study's own pretraining are taken as
    they are.

    Args:
        name: of the backbone in the study.
    """
    key = f"settings.backbones.{name}"
    if backbone.weights == "shipped":
        try:
            path = shipped.path(name)
        except ValueError as error:
            raise ValueError(
                f"{key}.weights: {error}; expected one of these, another source or a file"
            ) from None
    elif backbone.weights in _SOURCES:
        return
    else:
        path = Path(backbone.weights)
        if not path.is_file():
            hint = nearest(backbone.weights, _SOURCES)
            raise ValueError(
                f"{key}.weights: there is no file {backbone.weights!r}{hint}; expected 'shipped', "
                "'pretrain', 'timm' or a safetensors file"
            )
    found = _architecture(path, key)
    given = {"patch_size": backbone.patch_size, "depth": backbone.depth, **backbone.kwargs}
    for setting, value in found.items():
        if given.get(setting, value) != value:
            where = "kwargs." if setting in backbone.kwargs else ""
            raise ValueError(
                f"{key}.{where}{setting}: {given[setting]}, but its weights have {value} ({path}); expected "
                "the same, or other `weights` ('pretrain': made within the study)"
            )


def _architecture(path: Path, key: str) -> dict[str, int]:
    """What the shapes of a ViT's weights say; nothing of their values is read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            names = list(stored.keys())
            patches = "patch_embed.proj.weight"
            shape = stored.get_slice(patches).get_shape() if patches in names else None
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{key}.weights: {path} is not a safetensors file: {error}") from None
    blocks = {int(found[1]) for found in map(re.compile(r"blocks\.(\d+)\.").match, names) if found}
    if shape is None or not blocks:
        raise ValueError(f"{key}.weights: {path} has no weights of a Vision Transformer under timm's names")
    return {"embed_dim": shape[0], "patch_size": shape[-1], "depth": max(blocks) + 1}
