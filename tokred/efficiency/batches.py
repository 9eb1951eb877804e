"""Throughput over batch sizes, up to the largest that fits into memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tokred.efficiency.passes import forward_pass
from tokred.efficiency.timing import Times, Work, in_turn


@dataclass(frozen=True)
class Batch:
    """Times of several models with one batch size.

    Attributes:
        size: images at a time.
        times: of each model that the batch fits.
        out_of_memory: models whose memory does not suffice, now or at a smaller size.
    """

    size: int
    times: Mapping[str, Times]
    out_of_memory: tuple[str, ...] = ()

    def images_per_second(self, name: str) -> float:
        """Throughput of a model: images divided by the median seconds of a pass."""
        return self.size / self.times[name].median


def doubling(limit: int) -> list[int]:
    """Batch sizes 1, 2, 4, ... up to a limit.

    >>> doubling(20)
    [1, 2, 4, 8, 16]
    """
    return [2**power for power in range(limit.bit_length()) if 2**power <= limit]


def over_batch_sizes(
    models: Mapping[str, nn.Module],
    images_of: Callable[[int], Tensor],
    sizes: Iterable[int],
    precision: str = "float32",
    repeats: int = 10,
    warm_up: int = 2,
    seconds: float = float("inf"),
) -> Iterator[Batch]:
    """Times of all models at each batch size, in turn.

    A model that a size does not fit takes no part in larger ones. The series ends when none is left.

    Args:
        models: by name, in evaluation mode, on their device.
        images_of: returns a number of images on the same device.
        sizes: ascending.
        precision: of matrix products and attention.
        repeats, warm_up, seconds: see `in_turn`; seconds are those of one size.
    """
    left, failed = dict(models), list[str]()
    for size in sizes:
        times: dict[str, Times] = {}
        try:
            images = images_of(size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            failed += left
            left = {}
        else:
            works = {name: forward_pass(model, images, precision) for name, model in left.items()}
            unfit = [name for name, work in works.items() if not fits(work)]
            failed += unfit
            left = {name: model for name, model in left.items() if name not in unfit}
            chosen = {name: works[name] for name in left}
            times = in_turn(chosen, images.device, repeats, max(warm_up - 1, 0), seconds) if chosen else {}
        yield Batch(size, times, tuple(failed))
        if not left:
            return


def fits(work: Work) -> bool:
    """Do some work; whether memory suffices for it."""
    try:
        work()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    else:
        return True
    gc.collect()  # the failed pass's tensors are in the traceback
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch says that memory does not suffice, of a GPU or of the machine."""
    known = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in known)
