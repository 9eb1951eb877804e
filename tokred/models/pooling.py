"""timm's pooling for tokens of different weights: merged tokens have their size, padding has 0.

`VisionTransformer.forward_head` gets a tensor only, so `forward_features` attaches the weights of a reduced
model's tokens to its result as an attribute.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
import torch.nn.functional as F
from timm.layers import AttentionPoolLatent
from torch import Tensor, nn

from tokred.methods.attention import key_bias
from tokred.methods.tokens import at_least_float32

_ATTRIBUTE = "token_weight"


def attach_weight(features: Tensor, weight: Tensor | None) -> Tensor:
    """Attach (B, N) weights of the spatial tokens (None: all ones) to a tensor, and return it."""
    setattr(features, _ATTRIBUTE, weight)
    return features


def attached_weight(features: Tensor) -> Tensor | None:
    """The weights that `attach_weight` attached.

    Raises ValueError for a tensor that has lost them: the result of another operation on such features.
    """
    if not hasattr(features, _ATTRIBUTE):
        raise ValueError(
            "the tokens of this model have different weights in global pooling, and none are attached to "
            "these features: expected the very tensor that forward_features returned"
        )
    return getattr(features, _ATTRIBUTE)


def check_weighted_pool(global_pool: str, attn_pool: nn.Module | None, method: str, pads_slots: bool) -> None:
    """Raise ValueError for a pooling that does not support tokens of different weights.

    Args:
        pads_slots: whether some images may keep fewer tokens than others.
    """
    possible = ["token", "avg"] if pads_slots else ["token", *_POOLS]
    if global_pool and global_pool not in possible and not _takes_mask(attn_pool):
        reason = "pads its tokens" if pads_slots else "leaves tokens of different weights"
        raise ValueError(
            f"method {method!r} {reason}, and global_pool {global_pool!r} would count all of them alike; "
            f"possible: {', '.join(map(repr, [*possible, 'map']))}"
        )


def weighted_pool(
    x: Tensor,
    weight: Tensor,
    global_pool: str,
    attn_pool: nn.Module | None,
    num_prefix: int,
    include_prefix: bool,
) -> Tensor:
    """(B, D) pooled tokens, as if each token occurred as often as its weight says.

    Args:
        x: (B, M, D) tokens, prefix first.
        weight: (B, N) weights of the spatial tokens; 0 for padding. Prefix tokens have weight 1.
        global_pool, attn_pool, include_prefix: the ViT's, see `timm.models.vision_transformer`.
    """
    # An image whose weights are all 0 (DynamicViT in training) pools all of its tokens.
    weight = torch.where((weight > 0).any(dim=1, keepdim=True), weight, torch.ones_like(weight))
    if include_prefix:
        weight = F.pad(weight, (num_prefix, 0), value=1.0)
    else:
        x = x[:, num_prefix:]
    if attn_pool is not None:
        return attn_pool(x, attn_mask=key_bias(weight, 0, x.dtype))
    return _POOLS[global_pool](x, weight)


def weighted_mean(x: Tensor, weight: Tensor | None) -> Tensor:
    """(B, D) mean of (B, N, D) tokens by their (B, N) weights, None for all ones."""
    return x.mean(dim=1) if weight is None else _mean(x, weight)


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    tokens = at_least_float32(x)
    weight = weight.to(tokens.dtype)
    normalized = weight / weight.sum(dim=1, keepdim=True)
    return (tokens * normalized.unsqueeze(-1)).sum(dim=1).to(x.dtype)


def _max(x: Tensor, weight: Tensor) -> Tensor:
    return x.masked_fill(weight.unsqueeze(-1) == 0, -torch.inf).amax(dim=1)


def _mean_and_max(x: Tensor, weight: Tensor) -> Tensor:
    return 0.5 * (_max(x, weight) + _mean(x, weight))


_POOLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"avg": _mean, "max": _max, "avgmax": _mean_and_max}


def _takes_mask(attn_pool: nn.Module | None) -> bool:
    """Whether this is timm's attention pooling, in a release that supports a mask."""
    masked = "attn_mask" in inspect.signature(AttentionPoolLatent.forward).parameters
    return isinstance(attn_pool, AttentionPoolLatent) and masked
