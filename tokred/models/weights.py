"""Weights on disk: safetensors under timm's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
import torch
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from tokred import fingerprint
from tokred.models import shipped, tensor_file
from tokred.settings import Backbone
from tokred.tables import identity

#: Kind of file, in its metadata.
_KIND = "weights"
#: Classifiers, of which DeiT's distilled models have two.
_HEADS = ("head.", "head_dist.")


def save_weights(
    model: VisionTransformer, path: str | Path, metadata: Mapping[str, object], half: bool = False
) -> None:
    """Write a model's state dict atomically.

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
    """Load the weights of a file into a ViT, reduced or not.

    Position embeddings are resampled if the grid differs, and half precision is converted. If the file has
    the weights of an unreduced ViT, a reduced model keeps its method's parameters.

    Args:
        model: changed in place.
        path: safetensors file with timm's names.
        new_head: keep the model's classifier.
        whole: the file must have the parameters of the method too.
        expected: facts that the file's metadata must have, such as its "run"; None accepts any file, also one
            that tokred did not write.

    Returns:
        The facts in the file's metadata; empty if tokred did not write it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not safetensors, damaged, of another run, or of another architecture (the
            message lists tensors that differ).
    """
    shipped.check(path)
    tensors, facts = tensor_file.load(path, _KIND, foreign=expected is None)
    if expected is not None:
        identity.check(path, facts, expected)
    assign_weights(model, tensors, path, new_head, whole)
    return facts


def load_backbone(
    model: VisionTransformer, backbone: Backbone, path: str | None, new_head: bool = False
) -> tuple[str, dict[str, Any]]:
    """Load a backbone's pretrained weights into a ViT, reduced or not.

    Args:
        model: changed in place.
        backbone: the model's.
        path: safetensors file; None: timm's weights for the backbone.
        new_head: keep the model's classifier.

    Returns:
        Fingerprint of the weights, and the facts that tokred stored with them, if any.

    Raises:
        FileNotFoundError, ValueError: see `load_weights` and `timm_weights`.
    """
    if path is not None:
        facts = load_weights(model, path, new_head)
        return fingerprint.file(path), facts
    tensors = timm_weights(backbone)
    assign_weights(model, tensors, f"timm's weights of {backbone.model}", new_head)
    return fingerprint.tensors(tensors), {}


def timm_weights(backbone: Backbone) -> dict[str, Tensor]:
    """timm's pretrained weights of a backbone's model, for their original image size and classes.

    They are downloaded once and cached by huggingface_hub (in HF_HOME). With HF_HUB_OFFLINE=1, or without a
    network, only cached weights are available; a file on disk can be named as a backbone's `weights`.

    Raises:
        ValueError: timm has no such weights, or they are neither cached nor downloadable.
    """
    with explain_download(backbone.model, "a safetensors file as the backbone's `weights`"):
        return timm.create_model(backbone.model, pretrained=True, **backbone.kwargs).state_dict()


@contextmanager
def explain_download(model: str, instead: str) -> Iterator[None]:
    """Context that turns errors of timm and its hub into a ValueError with what helps.

    Args:
        instead: what can take the place of timm's weights.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"timm could not give the weights of {model!r}: {error}\n"
            f"without a network: download them before (HF_HUB_OFFLINE=1 uses the cache), or name {instead}"
        ) from error


def assign_weights(
    model: VisionTransformer,
    tensors: Mapping[str, Tensor],
    path: str | Path,
    new_head: bool = False,
    whole: bool = False,
) -> None:
    """Load tensors into a ViT; see `load_weights`.

    Args:
        path: origin of the tensors, for messages.
    """
    loaded, own = dict(tensors), model.state_dict()
    if new_head:
        loaded = {name: tensor for name, tensor in loaded.items() if not name.startswith(_HEADS)}
        loaded |= {name: tensor for name, tensor in own.items() if name.startswith(_HEADS)}
    if not whole and not any(name.startswith("reducers.") for name in loaded):
        loaded |= {name: tensor for name, tensor in own.items() if name.startswith("reducers.")}
    if "pos_embed" in loaded and "pos_embed" in own and loaded["pos_embed"].shape != own["pos_embed"].shape:
        loaded["pos_embed"] = _resample(model, loaded["pos_embed"], path)
    _check(loaded, own, path)
    _check_finite(loaded, path)
    model.load_state_dict(loaded)


def _resample(model: VisionTransformer, pos_embed: Tensor, path: str | Path) -> Tensor:
    """Position embeddings of a square grid, interpolated to the model's grid."""
    prefix = 0 if getattr(model, "no_embed_class", False) else model.num_prefix_tokens  # not in `Beit`
    if pos_embed.shape[-1] != model.embed_dim:
        return pos_embed  # another architecture: `_check` reports all differences
    side = round((pos_embed.shape[1] - prefix) ** 0.5)
    if side * side != pos_embed.shape[1] - prefix:
        raise ValueError(f"{path}: {pos_embed.shape[1] - prefix} position embeddings are no square grid")
    grid = list(model.patch_embed.grid_size)
    return resample_abs_pos_embed(pos_embed.float(), grid, [side, side], num_prefix_tokens=prefix)


def _check_finite(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: weights {name} are infinite or NaN, expected finite ones")


def _check(loaded: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | Path) -> None:
    problems = [f"{name}: missing" for name in own if name not in loaded]
    problems += [f"{name}: not in this model" for name in loaded if name not in own]
    problems += [
        f"{name}: found {tuple(loaded[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in loaded and loaded[name].shape != own[name].shape
    ]
    if problems:
        more = "" if len(problems) <= 5 else f"\n  and {len(problems) - 5} more"
        listed = "\n  ".join(problems[:5])
        raise ValueError(f"{path}: weights of another architecture\n  {listed}{more}")
