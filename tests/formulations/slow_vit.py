"""A Vision Transformer for one image in double precision, whose tokens a rule may change in every block.

An oracle for reduction methods: explicit attention, and tokens in lists beside the input tokens that went
into them. A method is a function on a `Sequence`, written with loops, without any of `tokred.methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor


@dataclass
class Token:
    """A token on its way through the network.

    Attributes:
        x: (D,) its features.
        members: the input tokens that went into it, by their number on the grid; empty for prefix tokens.
        size: its size, as the method counts it.
        key_weight: factor on its attention weight as a key.
    """

    x: Tensor
    members: frozenset[int] = frozenset()
    size: float = 1.0
    key_weight: float = 1.0


@dataclass
class Sequence:
    """All tokens of an image within a block, CLS and registers first.

    Attributes:
        block: index of the block.
        depth: number of blocks.
        num_prefix: number of prefix tokens.
        tokens: the tokens, in their order.
        keys: (M, d) keys of the block's attention, averaged over heads.
        probabilities: (H, M, M) its attention probabilities.
        norm1: (M, D) its input.
    """

    block: int
    depth: int
    num_prefix: int
    tokens: list[Token]
    keys: Tensor = field(default_factory=lambda: torch.zeros(0))
    probabilities: Tensor = field(default_factory=lambda: torch.zeros(0))
    norm1: Tensor = field(default_factory=lambda: torch.zeros(0))

    @property
    def spatial(self) -> list[Token]:
        """The tokens without the prefix."""
        return self.tokens[self.num_prefix :]


#: Changes `Sequence.tokens` between the residual of the block's attention and its MLP.
Rule = Callable[[Sequence], None]


@dataclass(frozen=True)
class Outcome:
    """Result for one image.

    Attributes:
        logits: (classes,).
        slots: for each block the place of every input token among the spatial tokens, -1 if it was dropped.
        sizes: for each block the sizes of the spatial tokens.
    """

    logits: Tensor
    slots: list[list[int]]
    sizes: list[list[float]]


def run(vit: VisionTransformer, image: Tensor, rule: Rule) -> Outcome:
    """Classify one (3, height, width) image; the logits have gradients.

    Args:
        vit: an unreduced ViT that pools CLS; it is not changed.
        rule: called in every block.
    """
    assert vit.global_pool == "token"
    vit = vit.double()
    num_prefix, slots, sizes = vit.num_prefix_tokens, [], []
    embedded = vit.norm_pre(vit._pos_embed(vit.patch_embed(image.double()[None])))[0]
    tokens = [
        Token(x, frozenset() if place < num_prefix else frozenset([place - num_prefix]))
        for place, x in enumerate(embedded)
    ]
    num_tokens = len(tokens) - num_prefix
    for index, block in enumerate(vit.blocks):
        sequence = Sequence(index, len(vit.blocks), num_prefix, tokens)
        _attend(block, sequence)
        rule(sequence)
        tokens = sequence.tokens
        x = torch.stack([token.x for token in tokens])
        for token, after in zip(tokens, x + block.ls2(block.mlp(block.norm2(x))), strict=True):
            token.x = after
        slots.append(places(sequence.spatial, num_tokens))
        sizes.append([token.size for token in sequence.spatial])
    return Outcome(vit.head(vit.fc_norm(vit.norm(tokens[0].x))), slots, sizes)


def places(tokens: Iterable[Token], num_tokens: int) -> list[int]:
    """The place of every input token among the tokens that contain them, -1 for none."""
    found = [-1] * num_tokens
    for place, token in enumerate(tokens):
        for member in token.members:
            assert found[member] == -1, "an input token is in two tokens"
            found[member] = place
    return found


def _attend(block: Block, sequence: Sequence) -> None:
    """Add the output of explicit attention to the tokens; key j's weight in a row is e^(q k_j) w_j."""
    attn, x = block.attn, torch.stack([token.x for token in sequence.tokens])
    sequence.norm1 = block.norm1(x)
    qkv = attn.qkv(sequence.norm1).reshape(len(x), 3, attn.num_heads, attn.head_dim)
    q, k, v = qkv[:, 0], attn.k_norm(qkv[:, 1]), qkv[:, 2]
    q = attn.q_norm(q)
    weight = torch.tensor([token.key_weight for token in sequence.tokens], dtype=x.dtype)
    heads = []
    for head in range(attn.num_heads):
        exponential = (q[:, head] @ k[:, head].T / attn.head_dim**0.5).exp() * weight
        heads.append(exponential / exponential.sum(dim=1, keepdim=True))
    sequence.probabilities, sequence.keys = torch.stack(heads), k.mean(dim=1)
    output = torch.cat([heads[head] @ v[:, head] for head in range(attn.num_heads)], dim=1)
    for token, change in zip(sequence.tokens, attn.proj(output), strict=True):
        token.x = token.x + block.ls1(change)


def cosines(rows: Tensor) -> list[list[float]]:
    """Cosine of every pair of (N, d) rows."""
    unit = rows.detach() / rows.detach().norm(dim=1, keepdim=True)
    return (unit @ unit.T).tolist()


def merged(tokens: list[Token], weights: list[float] | None = None) -> Token:
    """The mean of tokens, weighted by their sizes unless weights are given; sizes add up."""
    weights = [token.size for token in tokens] if weights is None else weights
    total = sum(weight * token.x for weight, token in zip(weights, tokens, strict=True))
    members = frozenset().union(*(token.members for token in tokens))
    return Token(total / sum(weights), members, size=sum(token.size for token in tokens))
