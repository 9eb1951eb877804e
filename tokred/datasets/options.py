"""Options of the data set adapters, as frozen dataclasses with their defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CountOptions:
    """How many images a made data set has in each split."""

    num_train: int = 4000
    num_test: int = 1500

    def __post_init__(self) -> None:
        for name in ("num_train", "num_test"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"option {name!r}: expected int >= 1, got {value!r}")
