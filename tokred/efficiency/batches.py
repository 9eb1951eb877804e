"""Throughput over batch sizes, up to the largest that fits into memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tokred.efficiency.passes import Network, forward_pass
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
    models: Mapping[str, Network],
    images_of: Callable[[int], Tensor],
    sizes: Iterable[int],
    precision: str = "float32",
    repeats: int = 10,
    warm_up: int = 2,
    seconds: float = float("inf"),
) -> Iterator[Batch]:
    """Times of all models at each batch size, in turn.

    A model that a size does not fit takes no part in larger ones. Half the size is then tried as well, unless
    a size at least as large was measured before. The series ends when no model is left.

    Args:
        models: by name, in evaluation mode, on their device.
        images_of: returns a number of images on the same device.
        sizes: ascending.
        precision: of matrix products and attention.
        repeats, warm_up, seconds: see `in_turn`; seconds are those of one size.
    """
    pending, done, failed = sorted(set(sizes)), set[int](), dict[str, int]()
    while pending:
        size = pending.pop(0)
        works = _works(models, images_of, size, precision, failed)
        unfit = [name for name, work in works.items() if work is None or not fits(work)]
        failed |= dict.fromkeys(unfit, size)
        chosen = {name: work for name, work in works.items() if work is not None and name not in unfit}
        times = in_turn(chosen, images_of(1).device, repeats, max(warm_up - 1, 0), seconds) if chosen else {}
        yield Batch(size, times, tuple(name for name in failed if failed[name] <= size))
        done.add(size)
        half = size // 2
        if unfit and half > max((each for each in done if each < size), default=0):
            pending.insert(0, half)
        elif not chosen:
            return


def _works(
    models: Mapping[str, Network],
    images_of: Callable[[int], Tensor],
    size: int,
    precision: str,
    failed: Mapping[str, int],
) -> dict[str, Work | None]:
    """Forward passes of the models that no smaller batch failed to fit; None if the images do not fit."""
    left = {name: model for name, model in models.items() if failed.get(name, size + 1) > size}
    try:
        images = images_of(size)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return dict.fromkeys(left)
    return {name: forward_pass(model, images, precision) for name, model in left.items()}


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
