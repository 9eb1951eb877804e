"""The result table `macs`: multiply-accumulates of every run of a study, without running any model.

Numbers of tokens are those of the schedules. Of methods that keep another number of each image, the stored
patterns say how many; the multiply-accumulates are then the mean over the test images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tokred.data import registry as datasets
from tokred.methods.registry import METHODS
from tokred.models.factory import build_vit
from tokred.models.reduced import ReducedModel
from tokred.run import UNREDUCED, Run
from tokred.schedules import Schedule, Stages
from tokred.schedules.macs import BlockTokens, Macs, Shape, forward_macs, reduced_blocks
from tokred.settings import Backbone, parse
from tokred.study.study import Study
from tokred.tables import patterns, schemas

#: Images over which counts are averaged, of a method that keeps another number of tokens of each.
COUNTED = 32
#: Paths of each input of a job that makes a table.
Files = Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """Dimensions and number of parameters of a backbone."""

    shape: Shape
    parameters: int

    @classmethod
    def of(cls, backbone: Backbone, num_classes: int) -> Network:
        """The network that a configuration describes, built without allocating its weights."""
        with torch.device("meta"):
            vit = build_vit(backbone, num_classes)
        return cls(Shape.of(vit), sum(parameter.numel() for parameter in vit.parameters()))


def block_tokens(shape: Shape, method: str, schedule: Schedule) -> list[BlockTokens]:
    """Numbers of tokens in every block of a reduced model, counted as in publications."""
    if method == UNREDUCED:
        return shape.unreduced()
    budgets = schedule.budgets(shape, METHODS[method].limits)
    return reduced_blocks(shape, METHODS[method].site, {budget.block: budget.kept for budget in budgets})


def schedule_of(study: Study, method: str, keep_rate: str) -> Schedule:
    """The schedule of a method at a keep rate, which is that of the paper's stages by default."""
    own = study.schedule_of(method, keep_rate)
    return Stages(keep_rate=keep_rate, locations=tuple(study.locations)) if own is None else own


def num_classes_of(study: Study, dataset: str) -> int:
    """Number of classes of a data set, as far as its options say; else 10, as for the built-in ones."""
    chosen = study.settings.datasets[dataset]
    options = datasets.get(chosen.adapter).check_options(study.options_of(chosen))
    return getattr(options, "num_classes", None) or 10


def published_macs(method: str, model: ReducedModel, images: Tensor) -> float:
    """Multiply-accumulates of one image, as publications count them.

    Args:
        method: name of the model's method.
        model: in evaluation mode, on its device.
        images: (B, 3, height, width) there; methods that keep another number of tokens of each have the mean.
    """
    shape, spec = Shape.of(model), METHODS[method]
    if not spec.dynamic:
        kept = {stage.block: stage.budget for stage in model.make_stages(model._grid)}
        return float(forward_macs(shape, reduced_blocks(shape, spec.site, kept)).total)
    with torch.inference_mode():
        _, trace = model.trace(images[:COUNTED])
    counts = torch.stack([(size > 0).sum(1) for size in trace.sizes], dim=1).tolist()
    each = [dict(zip(trace.blocks, kept, strict=True)) for kept in counts]
    totals = [forward_macs(shape, reduced_blocks(shape, spec.site, kept)).total for kept in each]
    return float(np.mean(totals))


def rows(inputs: Files, config: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """Rows of the table (`schemas.MACS`).

    Args:
        inputs: "dynamic_patterns": pattern tables of methods whose number of tokens depends on the image.
        config: the study's configuration.
    """
    study = parse(Study, config, "configuration of the study")
    stored = {_run_of(path): path for path in inputs.get("dynamic_patterns", ())}
    networks: dict[tuple[str, int], Shape] = {}
    for run in study.runs():
        key = (run.backbone, num_classes_of(study, run.dataset))
        if key not in networks:
            networks[key] = Network.of(study.settings.backbones[run.backbone], key[1]).shape
        shape = networks[key]
        of_images = run in stored and study.schedule_of(run.method, run.keep_rate) is None
        if of_images:
            macs = mean_macs(stored[run], shape)
        else:
            blocks = block_tokens(shape, run.method, schedule_of(study, run.method, run.keep_rate))
            macs = _values(forward_macs(shape, blocks))
        yield {**asdict(run), **macs, "total": sum(macs.values()), "of_images": of_images}


def mean_macs(path: str, shape: Shape) -> dict[str, float]:
    """Mean multiply-accumulates over the images of a pattern table, by component.

    Args:
        path: table of a method with kept tokens, stored after each of its stages.
        shape: sizes of the unreduced model.
    """
    facts = schemas.metadata(path)
    locations, survived = facts["locations"], patterns.read(path, ("survived",)).survived
    assert survived is not None, "methods with a variable number of tokens keep some"
    kept = np.stack([(survived > stage).sum(axis=1) for stage in range(len(locations))], axis=1)
    sequences, counts = np.unique(kept, axis=0, return_counts=True)
    site = METHODS[_run_of(path).method].site
    totals = np.zeros(len(fields(Macs)))
    for sequence, count in zip(sequences.tolist(), counts.tolist(), strict=True):
        blocks = reduced_blocks(shape, site, dict(zip(locations, sequence, strict=True)))
        totals += count * np.array(list(_values(forward_macs(shape, blocks)).values()))
    names = [field.name for field in fields(Macs)]
    return dict(zip(names, (totals / len(survived)).tolist(), strict=True))


def _values(macs: Macs) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(macs).items()}


def _run_of(path: str) -> Run:
    """The run of a pattern table."""
    return Run(**schemas.metadata(path)["run"])
