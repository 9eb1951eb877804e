"""Multiply-accumulates (MACs) of a Vision Transformer's forward pass, from numbers of tokens alone.

Counted are matrix products: patch embedding, linear layers, attention scores, their products with values,
and the classifier; not biases, norms, activations, nor the reduction method itself. All blocks are assumed to
be alike. This module does not import torch, so that the process that plans a study can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from tokred.schedules.timm_sizes import sizes

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


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
        patch_dim: number of values of a patch (colors x height x width), or of its features where a network
            computes these; the network's own products are not counted.
        embed_dim: width of a token.
        mlp_dim: width of the hidden layer of a block's MLP (of all together, if it has several).
        depth: number of blocks.
        num_classes: outputs of the classifier (of both, if there are two), 0 for none.
        attn_dim: width of all heads of queries together; 0 for `embed_dim`.
        kv_dim: width of all heads of keys together, before they are repeated for groups; 0 for `attn_dim`.
        value_maps: number of attention maps with which each value is multiplied.
        gated_mlp: whether the MLP's hidden layer is multiplied with a gate of its width.
        gated_attention: whether the attention's output is multiplied with a gate of its width.
        side_by_side: whether a block's MLP has the tokens of its attention, so that a stage within the block
            does not spare it any.
        pool_dim: width of the hidden layer of an attention pooling's MLP; 0 without attention pooling.
        pool_prefix: prefix tokens that the attention pooling pools together with the spatial ones.
    """

    num_tokens: int
    num_prefix: int
    patch_dim: int
    embed_dim: int
    mlp_dim: int
    depth: int
    num_classes: int
    attn_dim: int = 0
    kv_dim: int = 0
    value_maps: int = 1
    gated_mlp: bool = False
    gated_attention: bool = False
    side_by_side: bool = False
    pool_dim: int = 0
    pool_prefix: int = 0

    @classmethod
    def of(cls, vit: VisionTransformer) -> Shape:
        """The sizes of a timm model that can be reduced, which may be on the meta device."""
        return cls(**sizes(vit))

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
            blocks.append(BlockTokens(attended, attended, attended if shape.side_by_side else remaining))
        tokens = remaining
    return blocks


def executed_blocks(
    shape: Shape, site: Site, kept: Mapping[int, int], last_queries: int | None
) -> list[BlockTokens]:
    """Numbers of tokens in every block of a reduced model, for which products are executed.

    They differ from those that publications count: attention is computed for the tokens alone that a stage
    within it chooses, and in the last block for those alone that the classifier uses. `Site.REUSE` is as in
    publications.

    Args:
        site: position of the stages in their blocks.
        kept: spatial tokens that a stage leaves, by block.
        last_queries: number of tokens that the classifier uses, if the last block can compute these alone;
            None if it computes all. It cannot where it has a stage itself.
    """
    blocks = reduced_blocks(shape, site, kept)
    if site is Site.WITHIN:
        blocks = [
            replace(block, queries=shape.num_prefix + kept[index]) if index in kept else block
            for index, block in enumerate(blocks)
        ]
    last = shape.depth - 1
    if last_queries is not None and (last not in kept or site is Site.BEFORE):
        blocks[last] = replace(blocks[last], queries=last_queries, mlp=last_queries)
    return blocks


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one image by component.

    Attributes:
        embedding: the patch embedding.
        attention: projections, scores, and weighted sums of values.
        mlp: the MLPs of all blocks.
        head: the classifier, and attention pooling.
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
    dim, attention, mlp, last = shape.embed_dim, 0, 0, 0
    queries = shape.attn_dim or dim
    keys = shape.kv_dim or queries
    output = queries * (2 if shape.gated_attention else 1)
    for block in blocks:
        if block.reuse:
            projections = block.keys * (queries + keys) + block.queries * (keys + output)
            products = block.keys**2 + shape.value_maps * block.queries**2
        else:
            projections = block.keys * (queries + 2 * keys) + block.queries * output
            products = (1 + shape.value_maps) * block.queries * block.keys
        attention += projections * dim + products * queries
        mlp += (3 if shape.gated_mlp else 2) * block.mlp * dim * shape.mlp_dim
        last = block.mlp
    head = dim * shape.num_classes + _pooling_macs(shape, last)
    return Macs(shape.num_tokens * shape.patch_dim * dim, attention, mlp, head)


def _pooling_macs(shape: Shape, tokens: int) -> int:
    """Multiply-accumulates of attention pooling, whose query is projected for every image."""
    if not shape.pool_dim:
        return 0
    dim, pooled = shape.embed_dim, tokens - shape.num_prefix + shape.pool_prefix
    return 2 * pooled * dim * (dim + 1) + 2 * dim * (dim + shape.pool_dim)
