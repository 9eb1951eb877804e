"""The parts of a ViT for one image, with explicit attention, for slow formulations of methods."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu


class PlainViT:
    """Reads the parameters of a timm ViT by name; gradients arrive at them.

    Shapes: M tokens, prefix tokens first; D width; H heads; d width of a head.
    """

    def __init__(self, vit: torch.nn.Module, patch: int = 4, heads: int = 3) -> None:
        self.parameters = dict(vit.named_parameters())
        self.patch, self.heads = patch, heads
        self.prefix = 1 + (self.parameters["reg_token"].shape[1] if "reg_token" in self.parameters else 0)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.parameters[f"{name}.weight"].T + self.parameters[f"{name}.bias"]

    def norm(self, name: str, x: Tensor) -> Tensor:
        centered = x - x.mean(dim=-1, keepdim=True)
        unit = centered / (centered.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
        return unit * self.parameters[f"{name}.weight"] + self.parameters[f"{name}.bias"]

    def embed(self, image: Tensor) -> Tensor:
        """(M, D) tokens of a (3, height, width) image."""
        kernel, side = self.parameters["patch_embed.proj.weight"], self.patch
        rows, columns = image.shape[1] // side, image.shape[2] // side
        patches = [
            (kernel * image[:, side * r : side * r + side, side * c : side * c + side]).sum(dim=(1, 2, 3))
            for r in range(rows)
            for c in range(columns)
        ]
        spatial = torch.stack(patches) + self.parameters["patch_embed.proj.bias"]
        first = [self.parameters[name][0] for name in ("cls_token", "reg_token") if name in self.parameters]
        return torch.cat([*first, spatial]) + self.parameters["pos_embed"][0]

    def projected(self, block: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(H, M, d) queries, keys and values of normalized tokens."""
        q, k, v = self.linear(f"blocks.{block}.attn.qkv", x).chunk(3, dim=1)
        return tuple(torch.stack(part.chunk(self.heads, dim=1)) for part in (q, k, v))  # type: ignore[return-value]  # three of them

    def probabilities(self, q: Tensor, k: Tensor, size: Tensor) -> Tensor:
        """(H, M, M) attention, in proportion to the (M,) sizes of keys."""
        logits = torch.stack([a @ b.T for a, b in zip(q, k, strict=True)]) / math.sqrt(q.shape[2])
        weight = (logits - logits.detach().max(dim=2, keepdim=True).values).exp() * size
        return weight / weight.sum(dim=2, keepdim=True)

    def attended(self, block: int, probabilities: Tensor, v: Tensor) -> Tensor:
        """(R, D) output of the attention layer."""
        heads = [a @ b for a, b in zip(probabilities, v, strict=True)]
        return self.linear(f"blocks.{block}.attn.proj", torch.cat(heads, dim=1))

    def mlp(self, block: int, x: Tensor) -> Tensor:
        """(M, D) tokens after the MLP and its residual."""
        hidden = gelu(self.linear(f"blocks.{block}.mlp.fc1", self.norm(f"blocks.{block}.norm2", x)))
        return x + self.linear(f"blocks.{block}.mlp.fc2", hidden)

    def logits(self, x: Tensor) -> Tensor:
        """(C,) logits of the CLS token."""
        return self.linear("head", self.norm("norm", x[0]))


def slots(groups: list[list[int]], count: int) -> list[int]:
    """Slot of each of the first tokens, -1 if it is in no group."""
    slot = {token: index for index, group in enumerate(groups) for token in group}
    return [slot.get(token, -1) for token in range(count)]
