"""The part of a batch that one process works on, in micro-batches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchShard:
    """One process's part of every batch.

    Attributes:
        micro_batch_size: largest number of images per forward pass, None for the whole shard.
        rank: rank of the process in its group.
        world_size: number of processes in the group.
    """

    micro_batch_size: int | None = None
    rank: int = 0
    world_size: int = 1

    def slices(self, batch_size: int, even: bool = False) -> list[slice]:
        """This process's micro-batches; those of all processes cover the batch exactly once.

        Args:
            even: whether micro-batches must have an even number of images.

        Raises:
            ValueError: the batch is not divisible by the world size, or the shard not by the micro-batch.
        """
        own, remainder = divmod(batch_size, self.world_size)
        if remainder or not own:
            raise ValueError(
                f"batch_size {batch_size}: expected a multiple of the {self.world_size} processes"
            )
        micro = own if self.micro_batch_size is None else min(self.micro_batch_size, own)
        if own % micro:
            raise ValueError(
                f"micro_batch_size {micro}: expected a divisor of the {own} images that each of "
                f"{self.world_size} processes has of batch_size {batch_size}"
            )
        if even and micro % 2:
            raise ValueError(f"Mixup and CutMix mix pairs: expected an even number of images, found {micro}")
        first = self.rank * own
        return [slice(start, start + micro) for start in range(first, first + own, micro)]


#: A single process, without micro-batches.
WHOLE_BATCH = BatchShard()
