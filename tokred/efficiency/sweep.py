"""All that is measured of some models, over batch sizes: one row for each model and batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from tokred.efficiency.batches import Batch, over_batch_sizes
from tokred.efficiency.conditions import Conditions
from tokred.efficiency.counting import executed_macs
from tokred.efficiency.judging import Configuration
from tokred.efficiency.macs import COUNTED, published_macs
from tokred.efficiency.memory import peak_memory
from tokred.efficiency.passes import Network, compiled_calls, forward_pass, training_step
from tokred.efficiency.share import reduction_share
from tokred.efficiency.timing import in_turn
from tokred.methods.registry import METHODS
from tokred.run import UNREDUCED

#: Columns of batch sizes at which no training step is measured.
_NO_TRAINING = {"training_seconds": None, "training_speedup": None}


@dataclass(frozen=True)
class Effort:
    """What is measured, how often, and how long at most.

    Attributes:
        sizes: batch sizes, ascending.
        training_size: batch size of training steps, one of `sizes`; None for none.
        precision: of matrix products and attention.
        compiled: whether models are compiled by `torch.compile`.
        repeats: rounds at each batch size.
        warm_up: rounds before.
        seconds: after so many seconds no further round of a batch size begins.
        training_repeats: training steps of each model.
    """

    sizes: tuple[int, ...]
    training_size: int | None = None
    precision: str = "float32"
    compiled: bool = False
    repeats: int = 20
    warm_up: int = 3
    seconds: float = 60.0
    training_repeats: int = 5


def sweep(
    chosen: Sequence[Configuration], images: Tensor, effort: Effort, notice: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Rows for each batch size and model, with the columns of `schemas.EFFICIENCY` from `method` on, but
    `real_images`.

    Args:
        chosen: the unreduced model first; on their device, in evaluation mode.
        images: (B, 3, height, width) on the same device, repeated for larger batches.
        effort: what is measured.
        notice: is told about batches that do not fit into memory.
    """
    calls = dict(zip([each.name for each in chosen], _calls(chosen, effort), strict=True))
    facts: dict[str, dict[str, object]] = {}  # after the first times, for which people wait
    conditions = asdict(Conditions.of(images, effort.precision, effort.compiled))
    batches = over_batch_sizes(
        calls,
        lambda size: _repeated(images, size),
        effort.sizes,
        effort.precision,
        effort.repeats,
        effort.warm_up,
        effort.seconds,
    )
    told: set[str] = set()
    for batch in batches:
        for name in batch.out_of_memory:
            if name not in told:
                notice(f"{name}: {batch.size} images at a time do not fit into memory")
        told |= set(batch.out_of_memory)
        left = [each for each in chosen if each.name in batch.times]
        pixels = _repeated(images, batch.size) if left else images
        steps = _training(left, pixels, effort) if batch.size == effort.training_size else {}
        for each in left:
            work = forward_pass(calls[each.name], pixels, effort.precision)
            if each.name not in facts:
                facts[each.name] = _facts(each, images)
            yield {
                "method": each.method,
                "keep_rate": each.keep_rate,
                **_times(batch, each.name, chosen[0].name),
                "memory": float(peak_memory(work, each.model, images.device)),
                "reduction_share": _share(each, pixels, effort),
                **steps.get(each.name, _NO_TRAINING),
                **facts[each.name],
                **conditions,
            }


def _calls(chosen: Sequence[Configuration], effort: Effort) -> list[Network]:
    models = [each.model for each in chosen]
    return compiled_calls(models) if effort.compiled else list(models)


def _repeated(images: Tensor, count: int) -> Tensor:
    """A number of images, the same ones again if there are fewer."""
    return images.repeat(-(-count // len(images)), 1, 1, 1)[:count]


def _facts(each: Configuration, images: Tensor) -> dict[str, object]:
    """What does not depend on the batch size."""
    varies = METHODS[each.method].dynamic
    macs = executed_macs(each.model, images[: COUNTED if varies else 1])
    return {
        "parameters": float(sum(parameter.numel() for parameter in each.model.parameters())),
        **{f"macs_{name}": value for name, value in asdict(macs).items()},
        "macs_executed": macs.total,
        "macs_published": published_macs(each.method, each.model, images),
    }


def _times(batch: Batch, name: str, reference: str) -> dict[str, object]:
    times = batch.times[name]
    spread, missing = times.spread, reference not in batch.times
    speedup = None if missing else times.speedup_over(batch.times[reference])
    return {
        "batch_size": batch.size,
        "seconds": spread.median,
        "seconds_p95": times.p95,
        "seconds_low": spread.low,
        "seconds_high": spread.high,
        "images_per_second": batch.images_per_second(name),
        "speedup": None if speedup is None else speedup.median,
        "speedup_low": None if speedup is None else speedup.low,
        "speedup_high": None if speedup is None else speedup.high,
        "repeats": len(times.seconds),
    }


def _share(each: Configuration, images: Tensor, effort: Effort) -> float | None:
    """Fraction of a pass in the stages; None without any, or where they are compiled into the model."""
    if each.method == UNREDUCED or effort.compiled:
        return None
    return reduction_share(each.model, images, effort.precision, min(effort.repeats, 5), 1).median


def _training(chosen: Sequence[Configuration], images: Tensor, effort: Effort) -> dict[str, dict[str, float]]:
    """Columns of training steps, each model's in turn with the unreduced one's.

    Only these two have an optimizer at a time, whose state takes twice the memory of the weights.
    """
    if not chosen or chosen[0].method != UNREDUCED:
        return {}
    reference = training_step(chosen[0].model.train(), images, effort.precision)
    found: dict[str, dict[str, float]] = {}
    for each in chosen:
        works = {"first": reference}
        if each is not chosen[0]:
            works["own"] = training_step(each.model.train(), images, effort.precision)
        times = list(in_turn(works, images.device, effort.training_repeats, 1, effort.seconds).values())
        found[each.name] = {
            "training_seconds": times[-1].median,
            "training_speedup": times[-1].speedup_over(times[0]).median,
        }
        if each is not chosen[0]:
            each.model.eval()
    chosen[0].model.eval()
    return found
