"""Shards of a batch: together they cover it exactly once."""

from __future__ import annotations

import pytest

from tokred.data.batch_shard import BatchShard


@pytest.mark.parametrize(("processes", "micro"), [(1, None), (1, 4), (2, None), (3, 2), (4, 3), (2, 100)])
def test_parts_are_the_batch(processes: int, micro: int | None) -> None:
    shards = [BatchShard(micro, rank, processes) for rank in range(processes)]
    seen = [i for shard in shards for part in shard.slices(24) for i in range(24)[part]]
    assert seen == list(range(24))
    sizes = {part.stop - part.start for shard in shards for part in shard.slices(24)}
    assert sizes == {min(24 // processes, micro or 24)}


@pytest.mark.parametrize(
    ("shard", "even", "message"),
    [
        (BatchShard(None, 0, 5), False, "batch_size 24: expected a multiple of the 5 processes"),
        (BatchShard(None, 0, 48), False, "batch_size 24: expected a multiple of the 48 processes"),
        (BatchShard(5, 0, 2), False, "micro_batch_size 5: expected a divisor of the 12 images"),
        (BatchShard(3, 0, 1), True, "mix pairs: expected an even number of images, found 3"),
    ],
)
def test_batches_that_cannot_be_divided(shard: BatchShard, even: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shard.slices(24, even)
