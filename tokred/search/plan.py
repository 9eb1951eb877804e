"""The trials of a search, by model.

A *cell* is a data set, a method and a keep rate: a cell of Table 4, 5 or 6 of the paper. A *trial* of a cell
trains its model with one setting: a combination of the grid, or the setting that another cell chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokred.names import nearest
from tokred.run import UNREDUCED, UNREDUCED_RATE, Run
from tokred.settings.training import Training
from tokred.study.search import Grid, Search, Setting
from tokred.validation import parse

if TYPE_CHECKING:
    from tokred.study.study import Study

#: Names of trials on other data sets: with the method's setting on the first, and the unreduced model's.
OF_FIRST, OF_BASELINE = "first", "baseline"


@dataclass(frozen=True)
class Cell:
    """A model whose settings are searched, with the backbone of the search."""

    dataset: str
    method: str
    keep_rate: str


#: By cell and name of the trial, its setting, or the cell whose chosen setting it tries. The first of ties is
#: chosen.
Plan = dict[Cell, Mapping[str, Setting | Cell]]


def search_of(study: Study) -> Search:
    """The search of a study that has one; ValueError for others."""
    if study.search is None:
        raise ValueError(f"study {study.study!r} has no hyperparameter search: the key `search` is missing")
    return study.search


def plan(study: Study) -> Plan:
    """The trials of a study's search.

    The unreduced model of the first data set is not trained if the pretrained classifier has its classes, as
    in the paper; otherwise its settings are searched as on the other data sets.
    """
    search, (first, *others) = search_of(study), study.datasets
    untrained = [Run(first, name, UNREDUCED, UNREDUCED_RATE, study.seeds[0]) for name in study.backbones]
    is_pretrained = all(study.keeps_head(run) for run in untrained)
    reduced = [(method, rate) for method in methods(study) for rate in rates(study, method)]
    on_first = {Cell(first, *model): _named(search.first) for model in reduced}
    trained = others if is_pretrained else study.datasets
    baselines = {baseline(dataset): _named(search.others) for dataset in trained}
    on_others = {
        Cell(dataset, *model): {OF_FIRST: Cell(first, *model), OF_BASELINE: baseline(dataset)}
        for dataset in others
        for model in reduced
    }
    return {**on_first, **baselines, **on_others}


def baseline(dataset: str) -> Cell:
    """The cell of a data set's unreduced model."""
    return Cell(dataset, UNREDUCED, UNREDUCED_RATE)


def methods(study: Study) -> list[str]:
    """The methods whose settings are searched."""
    return search_of(study).methods or study.methods


def rates(study: Study, method: str) -> list[str]:
    """The searched keep rates that a method supports."""
    searched = search_of(study).keep_rates or study.keep_rates
    return [rate for rate in study.rates_of(method) if rate in searched]


def backbone(study: Study) -> str:
    """The backbone of all trials; by default the middle one of the study."""
    return search_of(study).backbone or study.backbones[len(study.backbones) // 2]


def run_in_study(study: Study, cell: Cell) -> Run:
    """The run of the study for which a cell chooses a setting."""
    return Run(cell.dataset, backbone(study), cell.method, cell.keep_rate, study.seeds[0])


def run_of_trials(study: Study, cell: Cell) -> Run:
    """The identity from which seeds of all trials of a cell derive; no run of a study can have it.

    Trials thus have the same held-out images, initial weights and order of images, and differ in the setting
    only.
    """
    return Run(f"search/{cell.dataset}", backbone(study), cell.method, cell.keep_rate, 0)


def training(study: Study, cell: Cell) -> Training:
    """Settings of a cell's trials but the searched ones: the run's, with the criterion of the search."""
    settings = study.training_for(run_in_study(study, cell))
    return settings.model_copy(update={"selection": search_of(study).select_on})


def takes_last(study: Study, cell: Cell) -> bool:
    """Whether the score of the last epoch is compared, whose weights the runs keep, and not the best one."""
    return study.training_for(run_in_study(study, cell)).selection == "last"


def check(study: Study) -> None:
    """Raises ValueError for a search that is not possible in the study."""
    search = search_of(study)
    if study.scores == "published":
        raise ValueError("search: expected a study with `scores: trained`, found 'published'")
    _check_part("search.backbone", [search.backbone or backbone(study)], study.backbones)
    _check_part("search.methods", methods(study), study.methods)
    _check_part("search.keep_rates", search.keep_rates or study.keep_rates, study.keep_rates)
    for method in methods(study):
        if not rates(study, method):
            raise ValueError(f"search.keep_rates: {method!r} supports none of {search.keep_rates}")
    adapters = [_adapter(study, dataset) for dataset in study.datasets]
    if len(set(adapters)) < len(adapters):
        raise ValueError(
            f"search: expected a different adapter for each data set, found {', '.join(adapters)}"
        )
    _check_trainings(study)


def _check_trainings(study: Study) -> None:
    """Raises ValueError unless every model can be trained with every setting of its trials."""
    tried = plan(study)
    for cell, options in tried.items():
        base, key = training(study, cell), run_in_study(study, cell).key
        if base.epochs == 0:
            raise ValueError(
                f"search: training of {key} has 0 epochs; expected more, so that scores of settings differ"
            )
        # Warm-up is the only searched setting that other settings restrict.
        longest = max(_settings(tried, options), key=lambda setting: setting["warmup_epochs"])
        parse(Training, {**base.model_dump(), **longest}, f"search: training of {key}")


def _settings(tried: Plan, options: Mapping[str, Setting | Cell]) -> Iterator[Setting]:
    """All settings that trials may try, including those that other cells may choose."""
    for option in options.values():
        if isinstance(option, Cell):
            yield from _settings(tried, tried[option])
        else:
            yield option


def _named(grid: Grid) -> dict[str, Setting]:
    """The settings of a grid by name; the names do not change when values are added to the grid."""
    return {"_".join(map(str, setting.values())): setting for setting in grid.settings()}


def _adapter(study: Study, dataset: str) -> str:
    return study.settings.datasets[dataset].adapter


def _check_part(key: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            hint = nearest(name, known) if name.isidentifier() else ""  # numbers are not misspelled
            raise ValueError(f"{key}: {name!r} is not in the study{hint}; known: {', '.join(known)}")
