"""The result table `efficiency`: time, memory and executed multiply-accumulates of a study's configurations.

All configurations of a backbone are measured in turn, in one process that has the machine for itself. The
models have random weights and get noise, as time does not depend on them, except for methods that keep
another number of tokens of each image: these have the weights of their first run, and test images.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tokred.data.read import read_split
from tokred.efficiency.judging import Configuration
from tokred.efficiency.macs import Files, num_classes_of, schedule_of
from tokred.efficiency.sweep import Effort, sweep
from tokred.methods.registry import METHODS
from tokred.models import shipped
from tokred.models.factory import build_vit
from tokred.models.reduce import reduce
from tokred.models.reduced import ReducedModel
from tokred.models.weights import load_backbone, load_weights
from tokred.run import UNREDUCED, Run
from tokred.runtime.device import raise_malloc_thresholds, resolve
from tokred.settings import Backbone, parse
from tokred.study.study import Study

log = logging.getLogger(__name__)

#: Batch sizes by kind of device, and that of training steps; those that do not fit are left out.
_SIZES = {"cpu": (1, 8, 32), "cuda": (1, 8, 64, 256, 1024)}
_TRAINING = {"cpu": 8, "cuda": 64}


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
    study, place = parse(Study, config, "configuration of the study"), resolve(device)
    kind = "cuda" if place.type == "cuda" else "cpu"
    effort = Effort(_SIZES[kind], _TRAINING[kind], study.evaluation_precision)
    return study_rows(study, backbone, inputs, place, effort)


def study_rows(
    study: Study, backbone: str, inputs: Files, device: torch.device, effort: Effort
) -> Iterator[dict[str, object]]:
    """The rows of `rows`, measured with some effort."""
    tables, weights = inputs.get("measured_images", ()), inputs.get("measured_weights", ())
    chosen = list(_configurations(study, backbone, weights, bool(tables)))
    for each in chosen:
        each.model.to(device)
    images = _images(study, backbone, tables, max(effort.sizes)).to(device)
    for row in sweep(chosen, images, effort, log.warning):
        real = bool(tables) and METHODS[row["method"]].dynamic
        yield {"backbone": backbone, **row, "real_images": real}


def _configurations(
    study: Study, backbone: str, weights: Sequence[str], real: bool
) -> Iterator[Configuration]:
    """The models of a backbone: the unreduced one, and each method at each keep rate.

    Args:
        weights: files of weights of methods with a variable number of tokens.
        real: whether these are measured on real images, and need their weights.
    """
    dataset, seed = study.datasets[0], study.seeds[0]
    description, num_classes = study.settings.backbones[backbone], num_classes_of(study, dataset)
    torch.manual_seed(0)
    vit = build_vit(description, num_classes)
    for method in (UNREDUCED, *study.methods):
        options, trained = study.method(method).options.model_dump(), METHODS[method].dynamic and real
        for rate in study.rates_of(method):
            # Others share their weights: a hundred models of their own would not fit into memory.
            base = build_vit(description, num_classes) if trained else vit
            model = reduce(base, method, schedule=schedule_of(study, method, rate), **options)
            if trained:
                _load(study, model, Run(dataset, backbone, method, rate, seed), description, weights)
            yield Configuration(method, rate, model.eval())


def _load(study: Study, model: ReducedModel, run: Run, backbone: Backbone, paths: Sequence[str]) -> None:
    """Load the weights of a run: those that it was trained to, or those of its backbone."""
    if study.fine_tunes:
        (path,) = [path for path in paths if Run.of_path(path, "checkpoints") == run]
        load_weights(model, path, whole=True)
    else:
        own = str(shipped.path(run.backbone)) if backbone.weights == "shipped" else None
        load_backbone(model, backbone, next(iter(paths), own))


def _images(study: Study, backbone: str, tables: Sequence[str], count: int) -> Tensor:
    """Normalized test images, or noise if there is no table."""
    description, dataset = study.settings.backbones[backbone], study.datasets[0]
    for path in tables:
        access = study.images_of(study.settings.datasets[dataset], backbone)
        source = read_split(path, description, access, 0, dataset, "test")
        pixels, _ = next(iter(source.batches(count)))
        return source.inputs(pixels, description)
    size = description.image_size
    return torch.randn(min(count, 32), 3, size, size, generator=torch.Generator().manual_seed(0))
