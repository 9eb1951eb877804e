"""Weights on disk: safetensors under timm's names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from tokred.models import shipped, tensor_file
from tokred.settings import Backbone
from tokred.tables import identity

#: What a file of weights says that it is.
_KIND = "weights"


def save_weights(
    model: VisionTransformer, path: str | Path, metadata: Mapping[str, object], half: bool = False
) -> None:
    """Write a model's state atomically.

    Args:
        metadata: facts stored in the file's header, as JSON.
        half: store floating point tensors in half precision.

    Raises:
        ValueError: a weight is infinite or NaN.
    """
    tensors = model.state_dict()
    if half:
        tensors = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    _check_finite(tensors, path)
    tensor_file.save(path, _KIND, tensors, metadata)


@torch.no_grad()
def round_to_half(model: VisionTransformer) -> None:
    """Round a model's weights, in place, to what `save_weights` stores in half precision."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half())


def load_weights(
    model: VisionTransformer,
    path: str | Path,
    new_head: bool = False,
    whole: bool = False,
    expected: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Give a ViT, reduced or not, the weights of a file.

    Position embeddings are resampled where the grid differs, half precision is converted. A reduced model
    takes a ViT's weights and keeps its method's own parameters as they are.

    Args:
        model: to be filled in place.
        path: safetensors file in timm's names.
        new_head: leave the classifier as it is.
        whole: the file must hold the parameters of the method too.
        expected: what the file must say of itself, such as its "run"; None: it may be anybody's.

    Returns:
        What the file says of itself; nothing for weights of others.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a safetensors file, a damaged one, one of another run, or one of another architecture
            (says which tensors differ).
    """
    shipped.check(path)
    given, facts = tensor_file.load(path, _KIND, foreign=expected is None)
    if expected is not None:
        identity.check(path, facts, expected)
    give_weights(model, given, path, new_head, whole)
    return facts


def timm_weights(backbone: Backbone) -> dict[str, Tensor]:
    """timm's pretrained weights for a backbone's model, in their own image size and classes.

    They are downloaded once and kept by huggingface_hub (in HF_HOME). With HF_HUB_OFFLINE=1, or without a
    network, only what was downloaded before is there; a file on disk can be named as a backbone's `weights`.

    Raises:
        ValueError: timm has no such weights, or they can be neither found nor downloaded.
    """
    try:
        return timm.create_model(backbone.model, pretrained=True, **backbone.kwargs).state_dict()
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"timm could not give the weights of {backbone.model!r}: {error}\n"
            "without a network: download them before (HF_HUB_OFFLINE=1 uses what is there), or name a "
            "safetensors file as the backbone's `weights`"
        ) from error


def give_weights(
    model: VisionTransformer,
    tensors: Mapping[str, Tensor],
    path: str | Path,
    new_head: bool = False,
    whole: bool = False,
) -> None:
    """Give a ViT the tensors that came from somewhere; see `load_weights`.

    Args:
        path: what messages call their origin.
    """
    given, own = dict(tensors), model.state_dict()
    if new_head:
        given = {name: tensor for name, tensor in given.items() if not name.startswith("head.")}
        given |= {name: tensor for name, tensor in own.items() if name.startswith("head.")}
    if not whole and not any(name.startswith("reducers.") for name in given):
        given |= {name: tensor for name, tensor in own.items() if name.startswith("reducers.")}
    if "pos_embed" in given and "pos_embed" in own and given["pos_embed"].shape != own["pos_embed"].shape:
        given["pos_embed"] = _resample(model, given["pos_embed"], path)
    _check(given, own, path)
    _check_finite(given, path)
    model.load_state_dict(given)


def _resample(model: VisionTransformer, pos_embed: Tensor, path: str | Path) -> Tensor:
    """Position embeddings of a square grid, interpolated to the model's grid."""
    prefix = 0 if model.no_embed_class else model.num_prefix_tokens
    if pos_embed.shape[-1] != model.embed_dim:
        return pos_embed  # another architecture: reported with all that differs
    side = round((pos_embed.shape[1] - prefix) ** 0.5)
    if side * side != pos_embed.shape[1] - prefix:
        raise ValueError(f"{path}: {pos_embed.shape[1] - prefix} position embeddings are no square grid")
    grid = list(model.patch_embed.grid_size)
    return resample_abs_pos_embed(pos_embed.float(), grid, [side, side], num_prefix_tokens=prefix)


def _check_finite(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: weights {name} are infinite or NaN, expected finite ones")


def _check(given: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | Path) -> None:
    problems = [f"{name}: missing" for name in own if name not in given]
    problems += [f"{name}: not in this model" for name in given if name not in own]
    problems += [
        f"{name}: found {tuple(given[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    if problems:
        more = "" if len(problems) <= 5 else f"\n  and {len(problems) - 5} more"
        listed = "\n  ".join(problems[:5])
        raise ValueError(f"{path}: weights of another architecture\n  {listed}{more}")
