"""Measured properties of an unreduced backbone that determine the effect of token reduction.

Attention-based pruning works if the CLS token attends to the object, merging if the tokens of an object are
similar. Both are measured on images with known object tokens, in the first block, which nothing reduces, and
in the blocks in which stages act.

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

#: Measured blocks: the first one, and those of the paper's stages.
BLOCKS = (0, 3, 6, 9)
#: Number of nearest neighbors over which squared distances are averaged, as in DPC-KNN.
NEIGHBORS = 5


@dataclass(frozen=True)
class BlockProperties:
    """Properties of one block, averaged over images or over the object tokens of all images.

    Attributes:
        attention_auc: area under the ROC curve of the CLS attention (mean over heads), object tokens against
            all others, in [0, 1]; mean over images.
        key_cosine: cosine similarity of an object token's key to the most similar other key, with heads
            concatenated.
        mean_key_cosine: the same for keys averaged over heads, by which ToMe merges.
        squared_distance: mean squared distance, divided by D, from an object token in the block's input to
            the five nearest tokens; the density of DPC-KNN derives from it.
        effective_rank: effective rank of the tokens of an image, see `effective_rank`; mean over images.
        key_offset: norm of the mean key divided by the root mean square deviation from it, over all tokens of
            all images, with heads concatenated.
        mean_key_offset: the same for keys averaged over heads.
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
    """Running sums of one block over images."""

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
    """Properties of blocks of a ViT in evaluation mode, by index of the block.

    Args:
        batches: (B, 3, height, width) input of the ViT, and (B, N) booleans: which tokens show the object.
            Images in which all tokens or no token shows it are left out.

    Raises:
        ValueError: no image has both object tokens and others.
    """
    blocks = tuple(blocks)
    sums = {index: _Sums() for index in blocks}
    num_object_tokens = 0
    with observed(vit, blocks) as observations:
        for inputs, object_tokens in batches:
            usable = object_tokens.any(dim=1) & ~object_tokens.all(dim=1)
            if not usable.any():
                continue
            vit(inputs[usable])
            num_object_tokens += int(object_tokens[usable].sum())
            for index in blocks:
                _add(sums[index], observations[index], object_tokens[usable])
    if not num_object_tokens:
        raise ValueError("properties of a backbone: no image has both object tokens and others")
    return {index: _result(sums[index], num_object_tokens) for index in blocks}


def auc(scores: Tensor, positive: Tensor) -> Tensor:
    """(B,) area under the ROC curve of (B, N) scores: the fraction of ordered pairs; ties count half.

    Args:
        positive: (B, N) booleans, with at least one true and one false in each row.

    >>> auc(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[True, False, True]]))
    tensor([1.], dtype=torch.float64)
    """
    first, second = scores[:, :, None], scores[:, None, :]
    pairs = positive[:, :, None] & ~positive[:, None, :]
    ordered = (first > second).double() + 0.5 * (first == second).double()
    return (ordered * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))


def nearest_cosine(keys: Tensor) -> Tensor:
    """(B, N) cosine similarity of each of (B, N, d) keys to the most similar other key of its image."""
    unit = F.normalize(keys, dim=-1)
    similarity = unit @ unit.transpose(1, 2)
    similarity.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    return similarity.amax(dim=-1)


def neighbor_distance(tokens: Tensor) -> Tensor:
    """(B, N) mean squared distance of each of (B, N, D) tokens to its five nearest ones, divided by D."""
    squared = torch.cdist(tokens, tokens, compute_mode="donot_use_mm_for_euclid_dist").square()
    squared.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return squared.topk(NEIGHBORS, largest=False).values.mean(dim=-1) / tokens.shape[-1]


def effective_rank(tokens: Tensor) -> Tensor:
    """(B,) effective rank of (B, N, D) tokens: the number of directions over which their variance is spread.

    The exponential of the entropy of the explained variance ratios of principal components (Roy & Vetterli
    2007, with squared singular values of the centered tokens).
    """
    centered = tokens - tokens.mean(dim=1, keepdim=True)
    values = torch.linalg.eigvalsh(centered.transpose(1, 2) @ centered).clamp(min=0)
    ratios = values / values.sum(dim=-1, keepdim=True)
    return torch.special.entr(ratios).sum(dim=-1).exp()


def _add(sums: _Sums, observation: Observation, object_tokens: Tensor) -> None:
    """Add a batch; in double precision, as distances may be tiny."""
    tokens = observation.tokens.double()
    keys = observation.keys.double()
    both = {"key": keys.transpose(1, 2).flatten(2), "mean_key": keys.mean(dim=1)}
    sums.images += len(tokens)
    sums.auc += float(auc(observation.cls_attention, object_tokens).sum())
    sums.rank += float(effective_rank(tokens).sum())
    by_token = {f"{name}_cosine": nearest_cosine(values) for name, values in both.items()}
    by_token["squared_distance"] = neighbor_distance(tokens)
    for name, values in by_token.items():
        sums.objects[name] = sums.objects.get(name, 0.0) + float(values[object_tokens].sum())
    sums.tokens += tokens.shape[0] * tokens.shape[1]
    for name, values in both.items():
        total, squares = sums.keys.get(name, (0.0, 0.0))
        sums.keys[name] = total + values.sum(dim=(0, 1)), squares + float(values.square().sum())


def _result(sums: _Sums, num_object_tokens: int) -> BlockProperties:
    return BlockProperties(
        attention_auc=sums.auc / sums.images,
        effective_rank=sums.rank / sums.images,
        **{name: value / num_object_tokens for name, value in sums.objects.items()},
        **{f"{name}_offset": _offset(*of_keys, sums.tokens) for name, of_keys in sums.keys.items()},
    )


def _offset(total: Tensor, squares: float, count: int) -> float:
    """Norm of the mean divided by the root mean square deviation from it."""
    mean = total / count
    squared_length = float(mean.square().sum())
    return (squared_length / (squares / count - squared_length)) ** 0.5
