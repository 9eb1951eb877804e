"""Keys, CLS attention and input tokens of single blocks of an unreduced ViT, collected by forward hooks.

Shapes: B images, H heads, M = prefix + N tokens, D width, d width of a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tokred.methods.tokens import at_least_float32


@dataclass
class Observation:
    """Input and attention of one block in the last forward pass.

    Attributes:
        tokens: (B, N, D) spatial tokens at the block's input.
        cls_attention: (B, N) softmax attention from the CLS token to the spatial tokens, mean over heads. A
            row sums to less than 1, since the CLS token attends to prefix tokens as well.
        keys: (B, H, N, d) keys of the spatial tokens.
    """

    tokens: Tensor
    cls_attention: Tensor
    keys: Tensor


@contextmanager
def observed(vit: VisionTransformer, blocks: Iterable[int]) -> Iterator[dict[int, Observation]]:
    """Context in which each forward pass writes observations of some blocks into a dictionary, by block
    number.

    Observations are differentiable, so that a loss can be computed from them.
    """
    seen: dict[int, Observation] = {}
    handles = [handle for index in blocks for handle in _watch(vit, index, seen)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _watch(vit: VisionTransformer, index: int, seen: dict[int, Observation]) -> list[RemovableHandle]:
    block, prefix = cast("Block", vit.blocks[index]), vit.num_prefix_tokens
    attn = cast("Attention", block.attn)
    inputs: list[Tensor] = []

    def record_input(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[:] = [arguments[0]]

    def observe(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        queries, keys = _queries_and_keys(attn, output)
        scores = (queries[:, :, :1] * attn.scale) @ keys.transpose(-2, -1)
        attention = at_least_float32(scores).softmax(dim=-1)[:, :, 0, prefix:].mean(dim=1)
        seen[index] = Observation(inputs.pop()[:, prefix:], attention, keys[:, :, prefix:])

    return [
        block.register_forward_pre_hook(record_input),
        attn.qkv.register_forward_hook(observe),
    ]


def _queries_and_keys(attn: Attention, qkv: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, M, d) queries and keys from the (B, M, 3 D) output of a layer's projection."""
    batch, length, _ = qkv.shape
    q, k, _ = qkv.reshape(batch, length, 3, attn.num_heads, attn.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
    return attn.q_norm(q), attn.k_norm(k)
