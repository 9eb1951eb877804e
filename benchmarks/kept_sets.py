"""IoA and IoU of kept sets of 196 tokens, against Python sets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from benchmarks.synthetic import survivors
from tokred.metrics.ioa import intersection_over_area
from tokred.metrics.iou import intersection_over_union
from tokred.metrics.sets import PackedSets, pack_survivors

_GOAL = Goal(">=", 50)
_STAGE = 1


def contests(scale: Scale) -> dict[str, Contest]:
    """With packing from what is stored, as for a pair alone, and without, as a run is packed once.

    Python's sets are built beforehand in both: what is stored holds no sets.
    """
    rng = np.random.default_rng(0)
    larger, smaller = (survivors(rng, scale.of(50_000, 40), rate) for rate in ("0.50", "0.25"))
    packed = pack_survivors(larger, _STAGE), pack_survivors(smaller, _STAGE)
    few = scale.of(2000, 10)
    sets = [(_set(a), _set(b)) for a, b in zip(larger[:few], smaller[:few], strict=True)]

    def with_packing() -> NDArray:
        return _both(pack_survivors(larger, _STAGE), pack_survivors(smaller, _STAGE))

    def without() -> NDArray:
        # Fresh records, as sizes are kept in them once they are counted.
        return _both(*(PackedSets(part.words, part.tokens) for part in packed))

    def theirs() -> NDArray:
        return np.array([(len(a & b) / len(b), len(a & b) / len(a | b)) for a, b in sets])

    return {
        "packing included, 196 tokens": Contest(with_packing, theirs),
        "packed before, 196 tokens": Contest(without, theirs),
    }


def measure(scale: Scale) -> Iterator[Row]:
    """One core; both metrics on either side."""
    for case, contest in contests(scale).items():
        yield race_row(case, contest, scale.of(9, 1), _GOAL)


def _set(survived: NDArray) -> set[int]:
    return set(np.flatnonzero(survived >= _STAGE).tolist())


def _both(larger: PackedSets, smaller: PackedSets) -> NDArray:
    return np.stack(
        [intersection_over_area(larger, smaller), intersection_over_union(larger, smaller)], axis=1
    )
