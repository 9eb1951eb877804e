"""Published accuracies of methods in pretrained models, beside the runs of a study without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokred import published
from tokred.comparison.runs import Files
from tokred.published import OffTheShelf
from tokred.run import UNREDUCED
from tokred.schedules import Constant, Schedule
from tokred.schedules.macs import Shape, forward_macs
from tokred.study.macs import block_tokens, schedule_of
from tokred.study.study import Study
from tokred.validation import parse

#: Largest difference in multiply-accumulates, as a fraction, at which accuracies stand side by side.
TOLERANCE = 0.05


def rows(inputs: Files, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every published accuracy of the study's backbones (`schemas.OFF_THE_SHELF`).

    Args:
        inputs: not read, as all follows from the study's configuration.
        config: the study's configuration.
    """
    study = parse(Study, config, "configuration of the study")
    made = []
    for backbone, model in study.view().published_models.items():
        entries = [entry for entry in published.off_the_shelf() if entry.model == model]
        shape, own = study.settings.backbones[backbone].shape, dict(_own_gmacs(study, backbone))
        for dataset in study.of_imagenet:
            made += [{"dataset": dataset, **_row(backbone, entry, shape, own)} for entry in entries]
    return made


def _row(
    backbone: str, entry: OffTheShelf, shape: Shape, own: Mapping[tuple[str, str], float]
) -> dict[str, Any]:
    gmacs = _gmacs(entry, shape)
    rate, nearest = _nearest(entry.method, gmacs, own)
    return {
        "backbone": backbone,
        "method": entry.method,
        "setting": _setting(entry),
        "gmacs": gmacs,
        "score": entry.score,
        "unreduced": entry.unreduced,
        "source": entry.source,
        "keep_rate": rate,
        "own_gmacs": nearest,
    }


def _own_gmacs(study: Study, backbone: str) -> Iterator[tuple[tuple[str, str], float]]:
    """Method and keep rate of each of the study's reduced models, and its cost in GMACs."""
    shape = study.settings.backbones[backbone].shape
    for run in study.runs():
        if run.backbone == backbone and run.method != UNREDUCED:
            schedule = schedule_of(study, run.method, run.keep_rate)
            yield (run.method, run.keep_rate), _cost(shape, run.method, schedule)


def _gmacs(entry: OffTheShelf, shape: Shape) -> float:
    """The published cost, or that of the schedule where the source does not say."""
    if entry.gmacs is not None:
        return entry.gmacs
    assert entry.per_block is not None, "an entry has a cost or a schedule"
    return _cost(shape, entry.method, Constant(number=entry.per_block))


def _cost(shape: Shape, method: str, schedule: Schedule) -> float:
    """Billions of multiply-accumulates of a reduced model."""
    return forward_macs(shape, block_tokens(shape, method, schedule)).total / 1e9


def _nearest(method: str, gmacs: float, own: Mapping[tuple[str, str], float]) -> tuple[str, float | None]:
    """Keep rate and cost of the study's run of a method that costs about as much; "" and None without one."""
    costs = {rate: cost for (name, rate), cost in own.items() if name == method}
    if not costs:
        return "", None
    rate = min(costs, key=lambda rate: abs(costs[rate] - gmacs))
    return (rate, costs[rate]) if abs(costs[rate] - gmacs) <= TOLERANCE * gmacs else ("", None)


def _setting(entry: OffTheShelf) -> str:
    """Schedule and options, as text."""
    schedule = f"{entry.gmacs:g} G" if entry.per_block is None else f"{entry.per_block} per block"
    return ", ".join(filter(None, [schedule, entry.options]))
