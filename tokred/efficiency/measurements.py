"""The result table `efficiency`: time, memory and executed multiply-accumulates of a study's configurations.

All configurations of a backbone are measured in turn, in one process that has the machine for itself. The
models have random weights and get noise, as time does not depend on them, except for methods that keep
another number of tokens of each image: these have the weights of their first run, and test images.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from tokred.data.read import read_split
from tokred.efficiency.batches import Batch, over_batch_sizes
from tokred.efficiency.conditions import Conditions
from tokred.efficiency.counting import ExecutedMacs, executed_macs
from tokred.efficiency.macs import Files, block_tokens, num_classes_of, schedule_of
from tokred.efficiency.memory import peak_memory
from tokred.efficiency.passes import forward_pass, training_step
from tokred.efficiency.share import reduction_share
from tokred.efficiency.timing import in_turn
from tokred.methods.registry import METHODS
from tokred.models.factory import build_vit
from tokred.models.reduce import reduce
from tokred.models.reduced import ReducedModel
from tokred.models.weights import load_weights
from tokred.run import UNREDUCED, Run
from tokred.runtime.device import raise_malloc_thresholds, resolve
from tokred.schedules.macs import Shape, forward_macs
from tokred.settings import parse
from tokred.study.study import Study

log = logging.getLogger(__name__)

#: Batch sizes by kind of device; those that do not fit are left out.
BATCH_SIZES = {"cpu": (1, 8, 32), "cuda": (1, 8, 64, 256, 1024)}
#: Batch size of training steps.
_TRAINING = {"cpu": 8, "cuda": 64}
#: Columns of batch sizes at which no training step is measured.
_NO_TRAINING = {"training_seconds": None, "training_speedup": None}
#: Images over which executed multiply-accumulates of a method with a variable number of tokens are averaged.
_COUNTED = 64


@dataclass(frozen=True)
class Plan:
    """How often, and how long at most, each model is measured.

    Attributes:
        repeats: rounds at each batch size.
        warm_up: rounds before.
        seconds: after so many seconds no further round of a batch size begins.
        training_repeats: training steps; 0 for none.
    """

    repeats: int = 20
    warm_up: int = 3
    seconds: float = 60.0
    training_repeats: int = 5


@dataclass(frozen=True)
class Configuration:
    """One model that is measured.

    Attributes:
        name: "<method> <keep rate>".
        run: the first run of the configuration.
        model: on its device, in evaluation mode.
        trained: whether it has trained weights.
        published: multiply-accumulates as publications count them.
    """

    name: str
    run: Run
    model: ReducedModel
    trained: bool
    published: int


def rows(inputs: Files, config: Mapping[str, Any], backbone: str, device: str) -> Iterator[dict[str, object]]:
    """Rows of the table (`schemas.EFFICIENCY`) for a backbone.

    Args:
        inputs: "measured_images": the image table of the first data set's test split; "measured_weights":
            weights of methods with a variable number of tokens. Both may be absent.
        config: the study's configuration.
        backbone: name of the backbone.
        device: as in the study's `hardware`.
    """
    raise_malloc_thresholds()
    study = parse(Study, config, "configuration of the study")
    return study_rows(study, backbone, inputs, resolve(device), Plan())


def study_rows(
    study: Study, backbone: str, inputs: Files, device: torch.device, plan: Plan
) -> Iterator[dict[str, object]]:
    """The rows of `rows`, measured as a plan says."""
    chosen = list(_configurations(study, backbone, inputs.get("measured_weights", ()), device))
    sizes = BATCH_SIZES["cuda" if device.type == "cuda" else "cpu"]
    images = _images(study, backbone, inputs.get("measured_images", ()), max(sizes)).to(device)
    yield from measured(chosen, images, sizes, plan, study.evaluation_precision)


def measured(
    chosen: list[Configuration],
    images: Tensor,
    sizes: tuple[int, ...],
    plan: Plan,
    precision: str = "float32",
) -> Iterator[dict[str, object]]:
    """Rows of the table for some configurations, the unreduced model first.

    Args:
        images: (B, 3, height, width), repeated for larger batches.
        sizes: batch sizes, ascending.
        precision: of matrix products and attention.
    """
    models = {each.name: each.model for each in chosen}
    facts = {each.name: _facts(each, images) for each in chosen}
    conditions = asdict(Conditions.of(images, precision))
    batches = over_batch_sizes(
        models,
        lambda size: _repeated(images, size),
        sizes,
        precision,
        plan.repeats,
        plan.warm_up,
        plan.seconds,
    )
    training = _TRAINING["cuda" if images.device.type == "cuda" else "cpu"]
    for batch in batches:
        if batch.out_of_memory:
            log.warning("%d images do not fit into memory: %s", batch.size, ", ".join(batch.out_of_memory))
        learns = batch.size == training and plan.training_repeats > 0
        steps = _training(chosen, batch, images, plan, precision) if learns else {}
        for each in chosen:
            if each.name in batch.times:
                pixels = _repeated(images, batch.size)
                yield {
                    "backbone": each.run.backbone,
                    "method": each.run.method,
                    "keep_rate": each.run.keep_rate,
                    **_times(batch, each.name, chosen[0].name),
                    "memory": float(
                        peak_memory(forward_pass(each.model, pixels, precision), each.model, images.device)
                    ),
                    "reduction_share": _share(each, pixels, precision, plan),
                    **steps.get(each.name, _NO_TRAINING),
                    **facts[each.name],
                    **conditions,
                }


def _configurations(
    study: Study, backbone: str, weights: Any, device: torch.device
) -> Iterator[Configuration]:
    """The models of a backbone: the unreduced one, and each method at each keep rate."""
    dataset, seed = study.datasets[0], study.seeds[0]
    description, num_classes = study.settings.backbones[backbone], num_classes_of(study, dataset)
    torch.manual_seed(0)
    vit = build_vit(description, num_classes)
    for method in (UNREDUCED, *study.methods):
        options = study.method(method).options.model_dump()
        for rate in study.rates_of(method):
            run, schedule = Run(dataset, backbone, method, rate, seed), schedule_of(study, method, rate)
            own = [path for path in weights if Run.of_path(path, "checkpoints") == run]
            # Others share their weights: a hundred models of their own would not fit into memory.
            base = build_vit(description, num_classes) if own else vit
            model = reduce(base, method, schedule=schedule, **options)
            for path in own:
                load_weights(model, path, whole=True)
            shape = Shape.of(model)
            published = forward_macs(shape, block_tokens(shape, method, schedule))
            yield Configuration(f"{method} {rate}", run, model.to(device).eval(), bool(own), published.total)


def _images(study: Study, backbone: str, tables: Any, count: int) -> Tensor:
    """Normalized test images, or noise if there is no table."""
    description, dataset = study.settings.backbones[backbone], study.datasets[0]
    for path in tables:
        access = study.images_of(study.settings.datasets[dataset], backbone)
        source = read_split(path, description, access, 0, dataset, "test")
        pixels, _ = next(iter(source.batches(count)))
        return source.inputs(pixels, description)
    size = description.image_size
    return torch.randn(min(count, 32), 3, size, size, generator=torch.Generator().manual_seed(0))


def _repeated(images: Tensor, count: int) -> Tensor:
    """A number of images, the same ones again if there are fewer."""
    return images.repeat(-(-count // len(images)), 1, 1, 1)[:count]


def _facts(each: Configuration, images: Tensor) -> dict[str, object]:
    """What does not depend on the batch size."""
    varies = METHODS[each.run.method].dynamic
    macs: ExecutedMacs = executed_macs(each.model, images[: _COUNTED if varies else 1])
    return {
        "parameters": float(sum(parameter.numel() for parameter in each.model.parameters())),
        **{f"macs_{name}": value for name, value in asdict(macs).items()},
        "macs_executed": macs.total,
        "macs_published": float(each.published),
        "real_images": each.trained,
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


def _share(each: Configuration, images: Tensor, precision: str, plan: Plan) -> float | None:
    if each.run.method == UNREDUCED:
        return None
    return reduction_share(each.model, images, precision, min(plan.repeats, 5), 1).median


def _training(
    chosen: list[Configuration], batch: Batch, images: Tensor, plan: Plan, precision: str
) -> dict[str, dict[str, float]]:
    """Columns of training steps of each model that the batch fits, each in turn with the unreduced model.

    Only these two have an optimizer at a time, whose state takes twice the memory of the weights.
    """
    pixels, first = _repeated(images, batch.size), chosen[0]
    if first.name not in batch.times:
        return {}
    reference = training_step(first.model.train(), pixels, precision)
    found: dict[str, dict[str, float]] = {}
    for each in chosen:
        if each.name not in batch.times:
            continue
        works = {"first": reference}
        if each is not first:
            works["own"] = training_step(each.model.train(), pixels, precision)
        times = list(in_turn(works, images.device, plan.training_repeats, 1, plan.seconds).values())
        found[each.name] = {
            "training_seconds": times[-1].median,
            "training_speedup": times[-1].speedup_over(times[0]).median,
        }
        if each is not first:
            each.model.eval()
    first.model.eval()
    return found
