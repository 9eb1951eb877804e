"""What a search tries: the trials of every model, and of which models.

A *cell* is a data set, a method and a keep rate; it is a cell of Table 4, 5 or 6 of the paper. A *trial* of
a cell trains its model with one setting: a combination of the grid, or what was chosen in another cell.
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

#: Trials of the other data sets: the method's own setting of the first, and the unreduced model's.
OF_FIRST, OF_BASELINE = "first", "baseline"


@dataclass(frozen=True)
class Cell:
    """A model of which settings are tried, in the search's backbone."""

    dataset: str
    method: str
    keep_rate: str


#: By cell: what each of its trials tries, by the trial's name, in the order of preference among equals: a
#: setting of the grid, or the one that another cell chose.
Plan = dict[Cell, Mapping[str, Setting | Cell]]


def search_of(study: Study) -> Search:
    """The search of a study that has one; ValueError for others."""
    if study.search is None:
        raise ValueError(f"study {study.study!r} has no hyperparameter search: the key `search` is missing")
    return study.search


def plan(study: Study) -> Plan:
    """The trials of a study's search.

    The first data set's unreduced model is taken as it is where its classifier is trained already, as in the
    paper; its settings are searched like those of the other data sets otherwise.
    """
    search, (first, *others) = search_of(study), study.datasets
    untrained = [Run(first, name, UNREDUCED, UNREDUCED_RATE, study.seeds[0]) for name in study.backbones]
    as_it_is = all(study.keeps_head(run) for run in untrained)
    reduced = [(method, rate) for method in methods(study) for rate in rates(study, method)]
    on_first = {Cell(first, *model): _named(search.first) for model in reduced}
    trained = others if as_it_is else study.datasets
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
    """The searched keep rates that a method can do."""
    searched = search_of(study).keep_rates or study.keep_rates
    return [rate for rate in study.rates_of(method) if rate in searched]


def backbone(study: Study) -> str:
    """The backbone of all trials: of the study's, the one that comes first in its tables."""
    return search_of(study).backbone or study.backbones[len(study.backbones) // 2]


def run_in_study(study: Study, cell: Cell) -> Run:
    """The run of the study that a cell finds a setting for."""
    return Run(cell.dataset, backbone(study), cell.method, cell.keep_rate, study.seeds[0])


def run_of_trials(study: Study, cell: Cell) -> Run:
    """What the randomness of all trials of a cell comes from; no run of a study can have this identity.

    Their settings are compared on the same held-out images, from the same initial weights, in the same order
    of images, so that what differs is the setting.
    """
    return Run(f"search/{cell.dataset}", backbone(study), cell.method, cell.keep_rate, 0)


def training(study: Study, cell: Cell) -> Training:
    """Training of a cell's trials, apart from the searched settings: the run's, with a score to choose by."""
    found = study.training_for(run_in_study(study, cell))
    return found.model_copy(update={"selection": search_of(study).select_on})


def takes_last(study: Study, cell: Cell) -> bool:
    """Whether the last epoch's score decides, since such runs keep its weights, and not the best epoch's."""
    return study.training_for(run_in_study(study, cell)).selection == "last"


def check(study: Study) -> None:
    """Raises ValueError for a search that the study cannot make."""
    search = search_of(study)
    if study.scores == "published":
        raise ValueError("search: the study trains nothing (`scores: published`)")
    _check_part("search.backbone", [search.backbone or backbone(study)], study.backbones)
    _check_part("search.methods", methods(study), study.methods)
    _check_part("search.keep_rates", search.keep_rates or study.keep_rates, study.keep_rates)
    for method in methods(study):
        if not rates(study, method):
            raise ValueError(f"search.keep_rates: {method!r} can do none of {search.keep_rates}")
    adapters = [_adapter(study, dataset) for dataset in study.datasets]
    if len(set(adapters)) < len(adapters):
        raise ValueError(
            f"search: results are kept by adapter, and data sets share one: {', '.join(adapters)}"
        )
    _check_trainings(study)


def _check_trainings(study: Study) -> None:
    """Every model can be trained with every setting that may be tried with it."""
    tried = plan(study)
    for cell, options in tried.items():
        base, key = training(study, cell), run_in_study(study, cell).key
        if base.epochs == 0:
            raise ValueError(
                f"search: training of {key} has epochs 0, so no setting can be better than another"
            )
        # Warm-up is the one setting whose values exclude each other with the rest of the training.
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
    """The settings of a grid by names that stay when values are added to the grid."""
    return {"_".join(map(str, setting.values())): setting for setting in grid.settings()}


def _adapter(study: Study, dataset: str) -> str:
    return study.settings.datasets[dataset].adapter


def _check_part(key: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            hint = nearest(name, known) if name.isidentifier() else ""  # numbers are not misspelt
            raise ValueError(f"{key}: the study has no {name!r}{hint}; it has: {', '.join(known)}")
