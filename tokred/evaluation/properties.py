"""Measured properties of an unreduced backbone that decide how token reduction acts on it.

Attention-based pruning works where the attention of the CLS token finds the object, merging where the tokens
of an object resemble each other. Both are measured on images whose object tokens are known, in the blocks
before which nothing is reduced and in those in which stages act.

Shapes: B images, H heads, N spatial tokens, D width, d width of a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from tokred.models.observation import Observation, observed

#: Blocks that are looked at: the first one, and those of the paper's stages.
BLOCKS = (0, 3, 6, 9)
#: Neighbors over which squared distances are averaged, as in DPC-KNN.
NEIGHBORS = 5


@dataclass(frozen=True)
class BlockProperties:
    """Properties of one block, means over images or over the object tokens of all images.

    Attributes:
        attention_auc: area under the ROC curve of the CLS attention (mean over heads), object tokens against
            all others, in [0, 1]; mean over images.
        key_cosine: cosine of an object token's key to the nearest other key, heads concatenated.
        mean_key_cosine: the same of keys averaged over heads, by which ToMe merges.
        squared_distance: of an object token, as the block is given it, to the five nearest tokens: mean
            squared distance over D, which is what the density of DPC-KNN is made of.
        effective_rank: of an image's tokens, see `effective_rank`; mean over images.
        key_offset: length of the mean key over the root mean square deviation from it, over all tokens of all
            images; heads concatenated.
        mean_key_offset: the same of keys averaged over heads.
    """

    attention_auc: float
    key_cosine: float
    mean_key_cosine: float
    squared_distance: float
    effective_rank: float
    key_offset: float
    mean_key_offset: float


@dataclass
class _Sums:
    """Sums of one block over the images so far."""

    images: int = 0
    auc: float = 0.0
    rank: float = 0.0
    objects: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    keys: dict[str, tuple[Tensor, float]] = field(default_factory=dict)


@torch.no_grad()
def measure(
    vit: VisionTransformer, batches: Iterable[tuple[Tensor, Tensor]], blocks: Iterable[int] = BLOCKS
) -> Mapping[int, BlockProperties]:
    """Properties of some blocks of a ViT in evaluation mode, by number of the block.

    Args:
        batches: (B, 3, height, width) input of the ViT, and (B, N) booleans that say which tokens show the
            object. Images in which all tokens do or none does are left out.

    Raises:
        ValueError: no image has both object tokens and others.
    """
    blocks = tuple(blocks)
    sums = {index: _Sums() for index in blocks}
    objects = 0
    with observed(vit, blocks) as seen:
        for inputs, shown in batches:
            usable = shown.any(dim=1) & ~shown.all(dim=1)
            if not usable.any():
                continue
            vit(inputs[usable])
            objects += int(shown[usable].sum())
            for index in blocks:
                _add(sums[index], seen[index], shown[usable])
    if not objects:
        raise ValueError("properties of a backbone: no image has both object tokens and others")
    return {index: _result(sums[index], objects) for index in blocks}


def auc(scores: Tensor, positive: Tensor) -> Tensor:
    """(B,) area under the ROC curve of (B, N) scores: the share of pairs in order, equal ones count half.

    Args:
        positive: (B, N) booleans, true and false at least once in each row.

    >>> auc(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[True, False, True]]))
    tensor([1.], dtype=torch.float64)
    """
    first, second = scores[:, :, None], scores[:, None, :]
    pairs = positive[:, :, None] & ~positive[:, None, :]
    won = (first > second).double() + 0.5 * (first == second).double()
    return (won * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))


def nearest_cosine(keys: Tensor) -> Tensor:
    """(B, N) cosine of each of (B, N, d) keys to the most similar other one of its image."""
    unit = F.normalize(keys, dim=-1)
    similarity = unit @ unit.transpose(1, 2)
    similarity.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    return similarity.amax(dim=-1)


def neighbor_distance(tokens: Tensor) -> Tensor:
    """(B, N) mean squared distance over D of each of (B, N, D) tokens to its five nearest."""
    squared = torch.cdist(tokens, tokens, compute_mode="donot_use_mm_for_euclid_dist").square()
    squared.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return squared.topk(NEIGHBORS, largest=False).values.mean(dim=-1) / tokens.shape[-1]


def effective_rank(tokens: Tensor) -> Tensor:
    """(B,) effective rank of (B, N, D) tokens: over how many directions their variance is spread.

    The exponential of the entropy of the principal components' shares of the variance (Roy & Vetterli 2007,
    with squared singular values of the centered tokens).
    """
    centered = tokens - tokens.mean(dim=1, keepdim=True)
    values = torch.linalg.eigvalsh(centered.transpose(1, 2) @ centered).clamp(min=0)
    share = values / values.sum(dim=-1, keepdim=True)
    return torch.special.entr(share).sum(dim=-1).exp()


def _add(sums: _Sums, seen: Observation, shown: Tensor) -> None:
    """Add the images of one batch; in double precision, as distances may be tiny."""
    tokens = seen.tokens.double()
    keys = seen.keys.double()
    both = {"key": keys.transpose(1, 2).flatten(2), "mean_key": keys.mean(dim=1)}
    sums.images += len(tokens)
    sums.auc += float(auc(seen.cls_attention, shown).sum())
    sums.rank += float(effective_rank(tokens).sum())
    found = {f"{name}_cosine": nearest_cosine(values) for name, values in both.items()}
    found["squared_distance"] = neighbor_distance(tokens)
    for name, values in found.items():
        sums.objects[name] = sums.objects.get(name, 0.0) + float(values[shown].sum())
    sums.tokens += tokens.shape[0] * tokens.shape[1]
    for name, values in both.items():
        total, squares = sums.keys.get(name, (0.0, 0.0))
        sums.keys[name] = total + values.sum(dim=(0, 1)), squares + float(values.square().sum())


def _result(sums: _Sums, objects: int) -> BlockProperties:
    return BlockProperties(
        attention_auc=sums.auc / sums.images,
        effective_rank=sums.rank / sums.images,
        **{name: value / objects for name, value in sums.objects.items()},
        **{f"{name}_offset": _offset(*of_keys, sums.tokens) for name, of_keys in sums.keys.items()},
    )


def _offset(total: Tensor, squares: float, count: int) -> float:
    """Length of the mean over the root mean square deviation from it."""
    mean = total / count
    squared_length = float(mean.square().sum())
    return (squared_length / (squares / count - squared_length)) ** 0.5
