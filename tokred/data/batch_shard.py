"""Which images of a step a process passes through the network, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """One process's part of the work.

    Attributes:
        micro: largest number of images at a time, None for all of the part.
        rank: which process this is.
        processes: how many there are.
    """

    micro: int | None = None
    rank: int = 0
    processes: int = 1

    def slices(self, batch_size: int, even: bool = False) -> list[slice]:
        """This process's micro-batches of a batch; together the processes' are the batch, without rest.

        Args:
            even: whether micro-batches must have an even number of images.

        Raises:
            ValueError: the batch cannot be parted so.
        """
        own, rest = divmod(batch_size, self.processes)
        if rest or not own:
            raise ValueError(
                f"batch_size {batch_size}: expected a multiple of the {self.processes} processes"
            )
        micro = own if self.micro is None else min(self.micro, own)
        if own % micro:
            raise ValueError(
                f"micro_batch_size {micro}: expected a divisor of the {own} images that each of "
                f"{self.processes} processes takes of batch_size {batch_size}"
            )
        if even and micro % 2:
            raise ValueError(f"Mixup and CutMix mix pairs: expected an even number of images, found {micro}")
        first = self.rank * own
        return [slice(start, start + micro) for start in range(first, first + own, micro)]


#: One process that takes a batch as a whole.
WHOLE = Share()
