"""Options of the methods that have some, as frozen dataclasses with their defaults.

They stand apart from the methods' code because configurations are checked where torch must not be
imported. Each class raises ValueError, naming the option, for a value that makes no sense.
"""

from __future__ import annotations

from dataclasses import dataclass


def _at_least(name: str, value: object, kind: type, low: float, *, open_end: bool = False) -> None:
    bound = f"> {low}" if open_end else f">= {low}"
    numeric = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if not numeric or value < low or (open_end and value == low):
        raise ValueError(f"option {name!r}: expected {kind.__name__} {bound}, got {value!r}")


@dataclass(frozen=True)
class NoOptions:
    """A method without options."""


@dataclass(frozen=True)
class DynamicViTOptions:
    """`ratio_weight`: weight of the loss that ties the decisions to the token budget."""

    ratio_weight: float = 2.0

    def __post_init__(self) -> None:
        _at_least("ratio_weight", self.ratio_weight, float, 0)


@dataclass(frozen=True)
class KMedoidsOptions:
    """`iterations` of the clustering, and how a cluster's medoid is chosen.

    `update` "reference" is what the published numbers come from: the member i with the smallest
    `w_i * sum of distances to all tokens`; "paper" is what the text says: the member with the smallest
    sum of distances to the members of its cluster.
    """

    iterations: int = 3
    update: str = "reference"

    def __post_init__(self) -> None:
        _at_least("iterations", self.iterations, int, 1)
        if self.update not in ("paper", "reference"):
            raise ValueError(f"option 'update': expected 'paper' or 'reference', got {self.update!r}")


@dataclass(frozen=True)
class DPCKNNOptions:
    """`neighbors`: k of the density estimate."""

    neighbors: int = 5

    def __post_init__(self) -> None:
        _at_least("neighbors", self.neighbors, int, 1)


@dataclass(frozen=True)
class SinkhornOptions:
    """`iterations` of the normalisation and entropy regularisation `eps`."""

    iterations: int = 3
    eps: float = 1.0

    def __post_init__(self) -> None:
        _at_least("iterations", self.iterations, int, 1)
        _at_least("eps", self.eps, float, 0, open_end=True)
