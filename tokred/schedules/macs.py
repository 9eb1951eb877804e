"""Multiply-accumulates (MACs) of a Vision Transformer's forward pass, from numbers of tokens alone.

Counted are matrix products: patch embedding, linear layers, attention scores, their products with values,
and the classifier; not biases, norms, activations, nor the reduction method itself. All blocks are assumed to
be alike. This module does not import torch, so that the process that plans a study can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from timm.models.vision_transformer import Block, VisionTransformer
    from torch import nn


class Site(Enum):
    """Position of a stage in its block.

    BEFORE: before the block. WITHIN: tokens are chosen by the block's attention scores, and the attention's
    output is computed for the chosen query rows only. REUSE: tokens are merged by the block's attention
    scores together with rows and columns of the attention matrix, and values and the attention's output are
    computed from the merged ones. AFTER: after the attention and its residual, before the MLP.
    """

    BEFORE = "before"
    WITHIN = "within"
    REUSE = "reuse"
    AFTER = "after"


@dataclass(frozen=True)
class Shape:
    """Sizes of a Vision Transformer.

    Attributes:
        num_tokens: P, spatial tokens of the input grid.
        num_prefix: prefix tokens (CLS, registers).
        patch_dim: number of values of a patch (colors x height x width).
        embed_dim: width of a token.
        mlp_dim: width of the hidden layer of a block's MLP.
        depth: number of blocks.
        num_classes: outputs of the classifier, 0 for none.
    """

    num_tokens: int
    num_prefix: int
    patch_dim: int
    embed_dim: int
    mlp_dim: int
    depth: int
    num_classes: int

    @classmethod
    def of(cls, vit: VisionTransformer) -> Shape:
        """The sizes of a timm model, which may be on the meta device."""
        block = cast("Block", vit.blocks[0])
        return cls(
            num_tokens=vit.patch_embed.num_patches,
            num_prefix=vit.num_prefix_tokens,
            patch_dim=vit.patch_embed.proj.weight[0].numel(),
            embed_dim=vit.embed_dim,
            mlp_dim=cast("nn.Linear", block.mlp.fc1).out_features,
            depth=len(vit.blocks),
            num_classes=vit.num_classes,
        )

    def unreduced(self) -> list[BlockTokens]:
        """Numbers of tokens of every block of the unreduced model."""
        return [BlockTokens.all(self.num_prefix + self.num_tokens)] * self.depth


@dataclass(frozen=True)
class BlockTokens:
    """Numbers of tokens at the parts of a block, prefix tokens included.

    Attributes:
        keys: tokens that enter the block; queries, keys and values are computed for all of them.
        queries: tokens whose attention output is computed.
        mlp: tokens that pass through the MLP.
        reuse: whether attention scores are computed for all `keys`, and values and the attention's output
            for the `queries` only (`Site.REUSE`).
    """

    keys: int
    queries: int
    mlp: int
    reuse: bool = False

    @classmethod
    def all(cls, tokens: int) -> BlockTokens:
        """A block in which no token is dropped."""
        return cls(tokens, tokens, tokens)


def reduced_blocks(shape: Shape, site: Site, kept: Mapping[int, int]) -> list[BlockTokens]:
    """Numbers of tokens in every block of a reduced model, counted as in publications.

    Attention counts for all tokens that enter it, including the queries that a method drops within the block.

    Args:
        site: position of the stages in their blocks.
        kept: spatial tokens that a stage leaves, by block.
    """
    blocks, tokens = [], shape.num_prefix + shape.num_tokens
    for block in range(shape.depth):
        remaining = shape.num_prefix + kept[block] if block in kept else tokens
        if block in kept and site is Site.REUSE:
            blocks.append(BlockTokens(tokens, remaining, remaining, reuse=True))
        else:
            attended = remaining if site is Site.BEFORE else tokens
            blocks.append(BlockTokens(attended, attended, remaining))
        tokens = remaining
    return blocks


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one image by component.

    Attributes:
        embedding: the patch embedding.
        attention: projections, scores, and weighted sums of values.
        mlp: the MLPs of all blocks.
        head: the classifier.
    """

    embedding: int
    attention: int
    mlp: int
    head: int

    @property
    def total(self) -> int:
        """The sum over components."""
        return self.embedding + self.attention + self.mlp + self.head


def forward_macs(shape: Shape, blocks: Iterable[BlockTokens]) -> Macs:
    """Multiply-accumulates of one image.

    Args:
        shape: the network.
        blocks: numbers of tokens of every block, in order.

    >>> deit_small = Shape(196, 1, 3 * 16 * 16, 384, 4 * 384, 12, 1000)
    >>> forward_macs(deit_small, deit_small.unreduced()).total
    4598882304
    """
    dim, attention, mlp = shape.embed_dim, 0, 0
    for block in blocks:
        if block.reuse:
            projections = 2 * (block.keys + block.queries)
            products = block.keys**2 + block.queries**2
        else:
            projections = 3 * block.keys + block.queries
            products = 2 * block.queries * block.keys
        attention += projections * dim**2 + products * dim
        mlp += 2 * block.mlp * dim * shape.mlp_dim
    return Macs(shape.num_tokens * shape.patch_dim * dim, attention, mlp, dim * shape.num_classes)
