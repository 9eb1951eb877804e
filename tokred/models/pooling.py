"""timm's pooling over tokens that weigh differently: merged tokens their size, padding nothing.

`VisionTransformer.forward_head` gets nothing but a tensor, so the weights of a reduced model's tokens travel
from `forward_features` to it as an attribute of that tensor.
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
    """The same tensor, which from now on knows the (B, N) weights of its spatial tokens (None: all ones)."""
    setattr(features, _ATTRIBUTE, weight)
    return features


def attached_weight(features: Tensor) -> Tensor | None:
    """What `attach_weight` attached.

    Raises ValueError for a tensor that has lost it: one made from such features by another operation.
    """
    if not hasattr(features, _ATTRIBUTE):
        raise ValueError(
            "the tokens of this model weigh differently in global pooling, and these features do not say how "
            "much: expected the very tensor that forward_features returned; or call the model itself"
        )
    return getattr(features, _ATTRIBUTE)


def refuse_pool(global_pool: str, attn_pool: nn.Module | None, method: str, pads: bool) -> None:
    """Raises ValueError for a pooling that cannot weigh the tokens of a method whose tokens differ.

    Args:
        pads: whether some images may keep fewer tokens than others.
    """
    possible = ["token", "avg"] if pads else ["token", *_POOLS]
    if global_pool and global_pool not in possible and not _takes_mask(attn_pool):
        what = "pads its tokens" if pads else "leaves tokens of different weights"
        raise ValueError(
            f"method {method!r} {what}, and global_pool {global_pool!r} would count all of them alike; "
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
    """(B, D) pooled tokens; as timm's pooling if each token stood there as often as it weighs.

    Args:
        x: (B, M, D) tokens, prefix first.
        weight: (B, N) weights of the spatial tokens; 0 for what must not count. Prefix tokens weigh 1.
        global_pool, attn_pool, include_prefix: the ViT's, see `timm.models.vision_transformer`.
    """
    # An image whose tokens all weigh nothing (DynamicViT while training) pools them all.
    weight = torch.where((weight > 0).any(dim=1, keepdim=True), weight, torch.ones_like(weight))
    if include_prefix:
        weight = F.pad(weight, (num_prefix, 0), value=1.0)
    else:
        x = x[:, num_prefix:]
    if attn_pool is not None:
        return attn_pool(x, attn_mask=key_bias(weight, 0, x.dtype))
    return _POOLS[global_pool](x, weight)


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    tokens = at_least_float32(x)
    weight = weight.to(tokens.dtype)
    share = weight / weight.sum(dim=1, keepdim=True)
    return (tokens * share.unsqueeze(-1)).sum(dim=1).to(x.dtype)


def _max(x: Tensor, weight: Tensor) -> Tensor:
    return x.masked_fill(weight.unsqueeze(-1) == 0, -torch.inf).amax(dim=1)


def _mean_and_max(x: Tensor, weight: Tensor) -> Tensor:
    return 0.5 * (_max(x, weight) + _mean(x, weight))


_POOLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"avg": _mean, "max": _max, "avgmax": _mean_and_max}


def _takes_mask(attn_pool: nn.Module | None) -> bool:
    """Whether it is timm's attention pooling, of a release in which it can be masked."""
    masked = "attn_mask" in inspect.signature(AttentionPoolLatent.forward).parameters
    return isinstance(attn_pool, AttentionPoolLatent) and masked
