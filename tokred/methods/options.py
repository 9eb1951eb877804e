"""Options of the methods, with their defaults.

They are separate from the methods' code, since configurations are checked without importing torch.
"""

from __future__ import annotations

from typing import Any, Literal

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


class SinkhornOptions(Strict):
    """Options of Sinkhorn."""

    iterations: PositiveInt = Field(3, description="of the normalization")
    eps: PositiveFloat = Field(1.0, description="entropy regularization")
