"""Options of the methods, with their defaults.

They are separate from the methods' code, since configurations are checked without importing torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tokred.validation import Strict


class NoOptions(Strict):
    """A method without options."""


Proportional = Literal["log", "none"]


def proportional(default: Proportional) -> Any:
    """The option of a merging method that says whether attention depends on sizes."""
    return Field(
        default,
        description="attention of later blocks to a merged token: 'log' adds the logarithm of its size to "
        "the logits (proportional attention); 'none' treats it as any other token",
    )


class ToMeOptions(Strict):
    """Options of ToMe."""

    proportional: Proportional = proportional("log")


class ATCOptions(Strict):
    """Options of ATC."""

    linkage: Literal["single", "complete", "average"] = Field(
        "average",
        description="distance of two clusters: the smallest, largest or mean distance of their tokens",
    )
    proportional: Proportional = Field(
        "log",
        description="attention of later blocks to a merged token: 'log' adds the logarithm of its size to "
        "the logits (proportional attention); 'none' treats it as any other token and, as published, forgets "
        "its size: means of later stages are not weighted",
    )


class RandomOptions(Strict):
    """Options of random pruning."""

    seed: int = Field(0, ge=0, lt=2**32, description="another seed chooses other tokens")


class PiToMeOptions(Strict):
    """Options of PiToMe."""

    form: Literal["deit", "paper", "mae"] = Field(
        "deit",
        description="blocks in which the tokens of low energy are protected, and all others of even rank "
        "merge; elsewhere the strongest edges among all tokens merge. 'paper': all blocks; 'deit', as the "
        "published code for DeiT: the second half; 'mae', as the published code for MAE: the first half",
    )
    margin: float = Field(
        0.75,
        ge=-1,
        le=1,
        description="similarity from which tokens count as alike, in the first block; it falls linearly to "
        "0. The published code has 0.75 for DeiT and MAE and 0.9 for AugReg",
    )
    proportional: Proportional = proportional("none")


class ToFuOptions(Strict):
    """Options of ToFu."""

    last_pruning: Annotated[int, Field(ge=-1)] | None = Field(
        None,
        description="last block in which similar tokens are dropped; they are merged in later blocks. "
        "-1: merged in all blocks; null: half of the number of blocks, rounded down",
    )
    mlerp: Literal["paper", "reimplementation"] = Field(
        "paper",
        description="norm of a merged token. 'paper': the largest norm of its members; 'reimplementation', "
        "as in the public code, which is not the authors': that norm times the norm of the members' mean, "
        "over the norm of the token that the others merge into",
    )


class DiffRateOptions(Strict):
    """Options of DiffRate."""

    prune_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="where a schedule has one number of tokens per block: the share of the removed tokens "
        "that are pruned, rounded down to whole tokens; the others are merged",
    )
    merge: Literal["unweighted", "weighted"] = Field(
        "unweighted",
        description="a merged token is the mean of its members: 'unweighted' as in the published code, or "
        "'weighted' by size as in the paper",
    )
    size: Literal["similarity", "count"] = Field(
        "similarity",
        description="what a token adds to the size of the one that it merges into. 'similarity', as in the "
        "published code: its size times the cosine of the two; 'count': its size",
    )
    proportional: Proportional = proportional("log")


class DynamicViTOptions(Strict):
    """Options of DynamicViT."""

    ratio_weight: NonNegativeFloat = Field(
        2.0, description="weight of the loss that ties the decisions to the token budget"
    )


class KMedoidsOptions(Strict):
    """Options of K-Medoids."""

    iterations: PositiveInt = Field(3, description="of the clustering")
    update: Literal["paper", "reference"] = Field(
        "reference",
        description="how a cluster's medoid is chosen. 'reference', which the published numbers come from: "
        "the member i with the smallest `w_i * sum of distances to all tokens`; 'paper', as its text says: "
        "the member with the smallest sum of distances to the members of its cluster",
    )


class DPCKNNOptions(Strict):
    """Options of DPC-KNN."""

    neighbors: PositiveInt = Field(5, description="k of the density estimate")
    weights: Literal["learned", "equal"] = Field(
        "learned",
        description="weights of a cluster's tokens in their mean: 'learned', as published, by a linear layer "
        "that scores each token; 'equal': the plain mean, without parameters (always so in untrained models)",
    )


class SinkhornOptions(Strict):
    """Options of Sinkhorn."""

    iterations: PositiveInt = Field(3, description="of the normalization")
    eps: PositiveFloat = Field(1.0, description="entropy regularization")


class MCTFOptions(Strict):
    """Options of MCTF."""

    tau_sim: PositiveFloat = Field(1.0, description="temperature of similarity: the criterion is x**(1/tau)")
    tau_info: PositiveFloat = Field(20.0, description="temperature of attention received")
    tau_size: PositiveFloat = Field(40.0, description="temperature of size")
    bidirectional: bool = Field(
        True, description="whether half of the tokens merge from B into A; otherwise all merge from A into B"
    )
    pooling: Literal["attention", "size", "mean", "max"] = Field(
        "attention",
        description="how tokens are merged: mean weighted by attention received times size, by size, or not "
        "at all; or the largest value of each feature (and attention averaged as for 'attention')",
    )
    attention: Literal["reuse", "recompute"] = Field(
        "reuse",
        description="attention of merged tokens: 'reuse' merges that of their tokens; 'recompute' computes "
        "it from them, with their sizes, at a cost that no count of multiply-accumulates here includes",
    )
    proportional: Proportional = proportional("log")


class GTPOptions(Strict):
    """Options of GTP."""

    neighbors: PositiveInt = Field(8, description="edges of each token in the semantic graph")
    graph: Literal["mixed", "semantic", "spatial"] = Field(
        "mixed",
        description="edges between similar tokens (semantic), between tokens that touch on the grid "
        "(spatial), or both",
    )
    theta: float = Field(
        1.0,
        gt=0,
        le=1,
        description="fraction of the attention probabilities of each head that are used; the smallest are "
        "set to 0",
    )
    alpha: NonNegativeFloat = Field(
        0.1, description="strength with which removed tokens are added to their neighbors"
    )
    proportional: Proportional = proportional("log")


class DTEMOptions(Strict):
    """Options of DTEM."""

    width: PositiveInt | None = Field(
        None,
        description="width of the embedding; null: that of an attention head, twice that if tokens have 1024 "
        "values or more",
    )
    k2: PositiveInt = Field(3, description="in training, partners of a token that are candidates")
    tau1: PositiveFloat = Field(0.1, description="in training, temperature of similarities")
    tau2: PositiveFloat = Field(0.1, description="in training, temperature of the choice of pairs")
    proportional: Proportional = proportional("log")
