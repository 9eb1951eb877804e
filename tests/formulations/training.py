"""A reduced ViT in training mode, one image at a time, with explicit attention and autograd.

Written from the description of the methods. It takes a model's parameters by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.formulations import stages

LOCATIONS = (3, 6, 9)
#: Methods whose stages act inside a block, after its attention; ATS acts in it, all others before the block.
AFTER_ATTENTION = ("topk", "evit", "tome")


@dataclass
class Shape:
    """Numbers of a ViT: blocks, heads, side of a patch, and (rows, columns) of the input grid."""

    depth: int
    heads: int
    patch: int
    grid: tuple[int, int]


@dataclass
class ImageState:
    """What an image carries from block to block.

    Attributes:
        tokens: (1 + N, D), CLS first.
        places: places on the input grid of fixed patterns' tokens.
        sizes: (N,) sizes of merged tokens (ToMe).
        decision: (N,) decisions of the last stage (DynamicViT).
        attention: (H, 1 + N, 1 + N) of the last block.
        keep: mean decision of each stage.
    """

    tokens: Tensor
    places: list[int]
    sizes: Tensor | None = None
    decision: Tensor | None = None
    attention: Tensor | None = None
    keep: list[Tensor] = field(default_factory=list)


class SlowViT:
    """A ViT with one of the thirteen methods.

    Args:
        parameters: by the model's names; gradients arrive at them.
        shape: of the ViT.
        method: its name.
        rate: keep rate.
    """

    def __init__(self, parameters: Mapping[str, Tensor], shape: Shape, method: str, rate: float) -> None:
        self.parameters, self.shape, self.method = parameters, shape, method
        total = shape.grid[0] * shape.grid[1]
        self.rate = rate
        self.budgets = [math.floor(round(total * self.rate**s, 9)) for s in (1, 2, 3)]

    def forward(self, image: Tensor, noise: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """(C,) logits of a (3, height, width) image, and each stage's mean decision (DynamicViT).

        Args:
            noise: (N, 2) Gumbel noise of each stage, for DynamicViT.
        """
        state = ImageState(self._embed(image), list(range(self.shape.grid[0] * self.shape.grid[1])))
        for block in range(self.shape.depth):
            stage = LOCATIONS.index(block) if block in LOCATIONS else None
            if stage is not None and self.method not in (*AFTER_ATTENTION, "ats"):
                self._before(state, stage, None if noise is None else noise[stage])
            self._block(state, f"blocks.{block}", stage)
        cls = self._norm(state.tokens, "norm", 1e-6)[0]
        return self._linear(cls, "head"), state.keep

    # The ViT

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.parameters[f"{name}.weight"].T + self.parameters[f"{name}.bias"]

    def _norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        scaled = (x - mean) / (variance + eps).sqrt()
        return scaled * self.parameters[f"{name}.weight"] + self.parameters[f"{name}.bias"]

    def _embed(self, image: Tensor) -> Tensor:
        (rows, columns), side = self.shape.grid, self.shape.patch
        patches = [
            image[:, y * side : (y + 1) * side, x * side : (x + 1) * side].flatten()
            for y in range(rows)
            for x in range(columns)
        ]
        kernel = self.parameters["patch_embed.proj.weight"].flatten(1)
        tokens = torch.stack(patches) @ kernel.T + self.parameters["patch_embed.proj.bias"]
        tokens = torch.cat([self.parameters["cls_token"][0], tokens])
        return tokens + self.parameters["pos_embed"][0]

    def _block(self, state: ImageState, name: str, stage: int | None) -> None:
        x, heads = state.tokens, self.shape.heads
        length, width = x.shape
        qkv = self._linear(self._norm(x, f"{name}.norm1", 1e-6), f"{name}.attn.qkv")
        q, k, v = qkv.view(length, 3, heads, width // heads).permute(1, 2, 0, 3)
        state.attention = torch.stack([self._weights(state, q[h], k[h]) for h in range(heads)])
        rows = list(range(length))
        if stage is not None and self.method == "ats":
            scores = state.attention[:, 0, 1:] * v[:, 1:].norm(dim=2)
            kept = stages.ats_sample(scores.sum(dim=0).tolist(), self.budgets[stage])
            rows = [0, *(1 + i for i in kept)]
        mixed = torch.cat([state.attention[h] @ v[h] for h in range(heads)], dim=1)
        state.tokens = x[rows] + self._linear(mixed[rows], f"{name}.attn.proj")
        if stage is not None and self.method in AFTER_ATTENTION:
            self._after(state, stage, k[:, 1:].mean(dim=0))
        hidden = self._linear(self._norm(state.tokens, f"{name}.norm2", 1e-6), f"{name}.mlp.fc1")
        state.tokens = state.tokens + self._linear(_gelu(hidden), f"{name}.mlp.fc2")

    def _weights(self, state: ImageState, q: Tensor, k: Tensor) -> Tensor:
        """(M, M) attention of one head."""
        scores = q @ k.T / math.sqrt(q.shape[1])
        if state.sizes is not None:
            scores = scores + torch.cat([torch.ones(1, dtype=q.dtype), state.sizes]).log()
        exponent = (scores - scores.max(dim=1, keepdim=True).values).exp()
        if state.decision is None:
            return exponent / exponent.sum(dim=1, keepdim=True)
        keys = torch.cat([torch.ones(1, dtype=q.dtype), state.decision]).expand(len(q), -1)
        own = torch.eye(len(q), dtype=q.dtype)
        exponent = exponent * (keys * (1 - own) + own)
        return (exponent + 1e-6 / len(q)) / (exponent.sum(dim=1, keepdim=True) + 1e-6)

    # Stages

    def _after(self, state: ImageState, stage: int, keys: Tensor) -> None:
        """Top-K, EViT and ToMe, from the attention of their block."""
        cls, tokens = state.tokens[:1], state.tokens[1:]
        budget = self.budgets[stage]
        if self.method == "tome":
            unit = (keys / keys.norm(dim=1, keepdim=True)).detach().numpy()
            groups = stages.tome_groups(unit @ unit.T, budget)
            sizes = torch.ones(len(tokens), dtype=tokens.dtype) if state.sizes is None else state.sizes
            merged = [sum(sizes[i] * tokens[i] for i in group) / sizes[group].sum() for group in groups]
            state.sizes = torch.stack([sizes[group].sum() for group in groups])
            state.tokens = torch.cat([cls, torch.stack(merged)])
            return
        scores = state.attention[:, 0, 1:].mean(dim=0)
        kept = stages.highest(scores.tolist(), budget)
        parts = [cls, tokens[kept]]
        pruned = [i for i in range(len(tokens)) if i not in kept]
        if self.method == "evit" and pruned:
            parts.append(sum(scores[i] * tokens[i] for i in pruned).unsqueeze(0))
        state.tokens = torch.cat(parts)

    def _before(self, state: ImageState, stage: int, noise: Tensor | None) -> None:
        cls, tokens = state.tokens[:1], state.tokens[1:]
        budget, name = self.budgets[stage], f"reducers.{stage}"
        if self.method in stages.NORMS:
            kept = stages.fixed_pattern(self.method, *self.shape.grid, budget)
            tokens = tokens[[state.places.index(place) for place in kept]]
            state.places = kept
        elif self.method == "dynamicvit":
            self._decide(state, tokens, name, noise)
        elif self.method == "kmedoids":
            received = state.attention.sum(dim=(0, 1))[1:].tolist()
            medoids, _ = stages.kmedoids(tokens.detach().numpy(), received, budget, "reference")
            tokens = tokens[medoids]
        elif self.method == "dpcknn":
            tokens = self._dpcknn(tokens, name, budget)
        else:
            soft: dict[str, Callable[[Tensor, str], Tensor]] = {
                "sit": self._sit,
                "patchmerger": self._patchmerger,
                "sinkhorn": self._sinkhorn,
            }
            tokens = soft[self.method](tokens, name)
        state.tokens = torch.cat([cls, tokens])

    def _decide(self, state: ImageState, tokens: Tensor, name: str, noise: Tensor) -> None:
        """DynamicViT: nothing is removed; decisions mask keys from here on."""
        alive = torch.ones(len(tokens), dtype=tokens.dtype) if state.decision is None else state.decision
        features = self._linear(self._norm(tokens, f"{name}.local.0", 1e-5), f"{name}.local.1")
        features = _gelu(features)
        half = features.shape[1] // 2
        average = sum(alive[i] * features[i, half:] for i in range(len(tokens))) / (alive.sum() + 1e-6)
        hidden = torch.stack([torch.cat([row[:half], average]) for row in features])
        hidden = _gelu(self._linear(hidden, f"{name}.head.0"))
        hidden = _gelu(self._linear(hidden, f"{name}.head.2"))
        logits = self._linear(hidden, f"{name}.head.4")
        log_probability = logits - logits.exp().sum(dim=1, keepdim=True).log()
        odds = (log_probability + noise).exp()
        soft = odds[:, 0] / odds.sum(dim=1)
        hard = (odds[:, 0] >= odds[:, 1]).to(soft.dtype)
        state.decision = alive * (hard + soft - soft.detach())
        state.keep.append(state.decision.mean())

    def _dpcknn(self, tokens: Tensor, name: str, budget: int) -> Tensor:
        _, slots = stages.dpcknn(tokens.detach().numpy(), 5, budget)
        weight = self._linear(tokens, f"{name}.score")[:, 0].exp()
        merged = []
        for k in range(budget):
            members = [i for i in range(len(tokens)) if slots[i] == k]
            total = sum(weight[i] for i in members) + 1e-6
            merged.append(sum(weight[i] * tokens[i] for i in members) / total)
        return torch.stack(merged)

    def _sit(self, tokens: Tensor, name: str) -> Tensor:
        hidden = self._linear(self._norm(tokens, f"{name}.mlp.0", 1e-5), f"{name}.mlp.1")
        scores = self.parameters[f"{name}.scale"].squeeze() * self._linear(_gelu(hidden), f"{name}.mlp.3")
        return _over_tokens(scores).T @ tokens

    def _patchmerger(self, tokens: Tensor, name: str) -> Tensor:
        normalized = self._norm(tokens, f"{name}.norm", 1e-5)
        return _over_tokens(normalized @ self.parameters[f"{name}.queries"].T).T @ normalized

    def _sinkhorn(self, tokens: Tensor, name: str) -> Tensor:
        """The queries are of unit length already: that is no part of what is differentiated."""
        unit = tokens / tokens.norm(dim=1, keepdim=True)
        plan = stages.sinkhorn_plan(unit @ self.parameters[f"{name}.queries"].T, iterations=3)
        return plan.T @ unit


def _over_tokens(scores: Tensor) -> Tensor:
    """(N, K) softmax over tokens."""
    exponent = (scores - scores.max(dim=0, keepdim=True).values).exp()
    return exponent / exponent.sum(dim=0, keepdim=True)


def _gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def ratio_loss(keep: list[list[Tensor]], rate: float) -> Tensor:
    """DynamicViT's loss from mean decisions: a list of stages for each image."""
    per_stage = [
        sum((image[s] - rate ** (s + 1)) ** 2 for image in keep) / len(keep) for s in range(len(keep[0]))
    ]
    return 2.0 * sum(per_stage) / len(per_stage)
