"""How a batch is parted: into all of it, once."""

from __future__ import annotations

import pytest

from tokred.data.batch_shard import Share


@pytest.mark.parametrize(("processes", "micro"), [(1, None), (1, 4), (2, None), (3, 2), (4, 3), (2, 100)])
def test_parts_are_the_batch(processes: int, micro: int | None) -> None:
    shares = [Share(micro, rank, processes) for rank in range(processes)]
    seen = [i for share in shares for part in share.slices(24) for i in range(24)[part]]
    assert seen == list(range(24))
    sizes = {part.stop - part.start for share in shares for part in share.slices(24)}
    assert sizes == {min(24 // processes, micro or 24)}


@pytest.mark.parametrize(
    ("share", "even", "message"),
    [
        (Share(None, 0, 5), False, "batch_size 24: expected a multiple of the 5 processes"),
        (Share(None, 0, 48), False, "batch_size 24: expected a multiple of the 48 processes"),
        (Share(5, 0, 2), False, "micro_batch_size 5: expected a divisor of the 12 images"),
        (Share(3, 0, 1), True, "mix pairs: expected an even number of images, found 3"),
    ],
)
def test_batches_that_cannot_be_parted(share: Share, even: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        share.slices(24, even)
