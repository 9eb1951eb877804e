"""Plain implementations: attention and gathering by hand, masks in place of removal, loops over clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn.functional import pad

from tokred.methods import attention, dpcknn, evit, kmedoids, layers
from tokred.methods.attention import BlockAttention
from tokred.methods.base import Context, Reduction, rank_descending
from tokred.methods.kmedoids import KMedoids
from tokred.models import blocks, forward, reduced
from tokred.models.vision_transformer import ReducedVisionTransformer


def softmax_weights(q: Tensor, k: Tensor, bias: Tensor | None, scale: float | None) -> Tensor:
    """(B, H, M, M) weights of all keys for all queries."""
    weights = (q @ k.transpose(-2, -1)) * (q.shape[-1] ** -0.5 if scale is None else scale)
    return (weights if bias is None else weights + bias).softmax(dim=-1)


def softmax_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention` written by hand.

    Raises ValueError for dropout and causal masks, which no benchmark asks for.
    """
    if dropout_p or is_causal:
        raise ValueError(f"dropout_p {dropout_p}, is_causal {is_causal}: expected 0 and False")
    return softmax_weights(q, k, attn_mask, scale) @ v


class PlainAttention(BlockAttention):
    """Computes the attention weights of all tokens, and keeps them for methods that need scores."""

    def output(self, rows: Tensor | None = None) -> Tensor:
        """Outputs of all tokens, of which the rows are selected."""
        self.weights = softmax_weights(self.q_BHMd, self.k_BHMd, self.bias, self.layer.scale)
        out = self.layer.project_out(self.weights @ self.v_BHMd, self.rest)
        return out if rows is None else gather(out, rows)

    def received(self) -> Tensor:
        """As in `BlockAttention`; the next block needs scores after the weights are computed."""
        return self.weights.sum(dim=(1, 2))[:, self.num_prefix :]


def gather(x: Tensor, index: Tensor) -> Tensor:
    """`tokred.methods.tokens.gather_tokens` written by hand, with an index for every element."""
    shape = *index.shape, *x.shape[2:]
    return x.gather(1, index.reshape(*index.shape, *(1 for _ in x.shape[2:])).expand(shape))


def replaced(model: ReducedVisionTransformer, x: Tensor, reduction: Reduction) -> Tensor:
    """As the model's `_replace`; CLS is taken off and put back."""
    if reduction.tokens is None and reduction.anchor is None:
        return x
    prefix, spatial = x[:, : model.num_prefix_tokens], x[:, model.num_prefix_tokens :]
    tokens = reduction.tokens
    return torch.cat([prefix, gather(spatial, reduction.anchor) if tokens is None else tokens], dim=1)


@contextmanager
def by_hand() -> Iterator[None]:
    """Attention, gathering and merging are written by hand in every block."""
    gathering = attention, blocks, dpcknn, evit, forward, kmedoids, layers, reduced
    with ExitStack() as stack:
        for place, name, plain in (
            (torch.nn.functional, "scaled_dot_product_attention", softmax_attention),
            (torch.nn.functional, "threshold", lambda weights, *_: weights),
            (blocks, "BlockAttention", PlainAttention),
            (ReducedVisionTransformer, "_replace", replaced),
            *((module, "gather_tokens", gather) for module in gathering),
        ):
            stack.enter_context(mock.patch.object(place, name, plain))
        yield


def plainly(model: VisionTransformer, images: Tensor) -> Tensor:
    """Logits of a reduced model, all steps by hand, and all tokens through the last block."""
    with by_hand():
        return model.forward_head(model.forward_features(images))


def masked(
    vit: VisionTransformer, images: Tensor, kept: Sequence[Tensor], locations: Sequence[int]
) -> Tensor:
    """Logits of a ViT in which dropped tokens remain, but are masked as keys.

    Args:
        vit: unreduced.
        kept: (B, P) booleans of each stage.
        locations: block from which on each stage holds.
    """
    x = vit.norm_pre(vit._pos_embed(vit.patch_embed(images)))
    bias = None
    with by_hand():
        for index, block in enumerate(vit.blocks):
            if index in locations:
                seen = pad(kept[list(locations).index(index)], (vit.num_prefix_tokens, 0), value=True)
                bias = torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)[:, None, None]
            x = block(x, attn_mask=bias)
    return vit.forward_head(vit.norm(x))


class LoopingKMedoids(KMedoids):
    """K-Medoids with a loop over images and clusters."""

    @torch.no_grad()
    def forward(self, x: Tensor, context: Context) -> Reduction:
        """As `KMedoids` with the published update."""
        weight = context.attn.attention_received()
        distance = torch.cdist(x.float(), x.float(), compute_mode="donot_use_mm_for_euclid_dist")
        medoids = rank_descending(weight)[:, : self.stage.budget].clone()
        total = weight * distance.sum(dim=2)
        for _ in range(self.options.iterations):
            for image in range(len(x)):
                assign = distance[image][medoids[image]].argmin(dim=0)
                for slot in range(self.stage.budget):
                    members = (assign == slot).nonzero()[:, 0]
                    if len(members):
                        medoids[image, slot] = members[total[image, members].argmin()]
        rows = medoids.unsqueeze(-1).expand(-1, -1, x.shape[1])
        return Reduction(anchor=medoids, assign=distance.gather(1, rows).argmin(dim=1))


def looping(model: ReducedVisionTransformer) -> ReducedVisionTransformer:
    """A model reduced by K-Medoids whose stages loop; it shares all weights."""
    for reducer in model.reducers:
        reducer.__class__ = LoopingKMedoids
    return model
