"""Messages that Snakemake prints when a job starts: a phrase with the labels of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from tokred.artifacts.registry import ARTIFACTS
from tokred.data import registry as datasets
from tokred.methods.registry import METHODS
from tokred.run import UNREDUCED
from tokred.search.plan import OF_BASELINE, OF_FIRST
from tokred.study.study import Study
from tokred.tables.registry import TABLES

_SPLITS = {"train": "training", "test": "test"}


class Message(str):
    """The `message:` of every rule; the name `MESSAGES` of the Snakefile must be the study's `Messages`.

    Snakemake accepts no function there. It formats this text when a job starts, with the rule's name and
    wildcards ("name=value,name=value"). In a dry run it counts as empty, so that Snakemake shows files and
    resources instead.

    Args:
        is_dry_run: returns whether this is a dry run, which is not known yet when rules are parsed.
    """

    _is_dry_run: Callable[[], bool]

    def __new__(cls, is_dry_run: Callable[[], bool]) -> Message:
        message = super().__new__(cls, "{MESSAGES:{rule}({wildcards})}")
        message._is_dry_run = is_dry_run
        return message

    def __bool__(self) -> bool:
        return not self._is_dry_run()


class Messages:
    """The messages of a study's jobs.

    >>> f"{messages:pretrain(backbone=vit_micro)}"  # doctest: +SKIP
    'Pretrain ViT-Micro from scratch'
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._datasets = {
            name: part.label or datasets.get(part.adapter).label or name
            for name, part in study.settings.datasets.items()
        }
        self._datasets |= study.dataset_labels()
        self._backbones = {name: part.label or name for name, part in study.settings.backbones.items()}

    def __format__(self, job: str) -> str:
        """The message of a job, such as "pretrain(backbone=vit_micro)"."""
        rule, _, values = job.removesuffix(")").partition("(")
        return self.of(rule, dict(value.split("=") for value in values.split(",") if value))

    def of(self, rule: str, wildcards: Mapping[str, str]) -> str:
        """The message of a rule's job."""
        table = next((entry for entry in TABLES.values() if entry.target and entry.rule == rule), None)
        if table is None:
            return _OF_RULES[rule](self, wildcards)
        names = [part.strip("{}") for part in table.slice.split("/") if part]
        slice_ = ", ".join(self._label(name, wildcards[name]) for name in names)
        return f"{table.does}: {slice_}" if slice_ else f"{table.does} of study {self._study.study}"

    def _label(self, wildcard: str, value: str) -> str:
        labels = {"dataset": self._datasets, "backbone": self._backbones}
        return labels[wildcard][value] if wildcard in labels else f"{wildcard.replace('_', ' ')} {value}"

    def _model(self, wildcards: Mapping[str, str]) -> str:
        """The method and keep rate, the data set and the backbone of a run."""
        model = "the unreduced model"
        if wildcards["method"] != UNREDUCED:
            percent = float(Fraction(wildcards["keep_rate"]) * 100)
            model = f"{METHODS[wildcards['method']].plain_label} at {percent:g} %"
        labels = self._label("dataset", wildcards["dataset"]), self._label("backbone", wildcards["backbone"])
        return f"{model} on {', '.join(labels)}"

    def _train(self, wildcards: Mapping[str, str]) -> str:
        return f"Fine-tune {self._model(wildcards)}, seed {wildcards['seed']}"

    def _extract(self, wildcards: Mapping[str, str]) -> str:
        return f"Extract patterns and features of {self._model(wildcards)}, seed {wildcards['seed']}"

    def _prepare(self, wildcards: Mapping[str, str]) -> str:
        dataset = self._label("dataset", wildcards["dataset"])
        return f"Prepare the {_SPLITS[wildcards['split']]} split of {dataset}"

    def _pretrain(self, wildcards: Mapping[str, str]) -> str:
        return f"Pretrain {self._label('backbone', wildcards['backbone'])} from scratch"

    def _try(self, wildcards: Mapping[str, str]) -> str:
        named = {OF_FIRST: "the setting of the first data set", OF_BASELINE: "the unreduced model's setting"}
        setting = named.get(wildcards["trial"], f"setting {wildcards['trial']}")
        return f"Try {setting} for {self._model(wildcards)}"

    def _choose(self, wildcards: Mapping[str, str]) -> str:
        return f"Choose the setting of {self._model(wildcards)}"

    def _of_study(self, does: str) -> str:
        return f"{does} of study {self._study.study}"


def _draw(messages: Messages, wildcards: Mapping[str, str]) -> str:
    ((kind, name),) = wildcards.items()
    return f"{'Draw' if kind == 'figure' else 'Make'} {ARTIFACTS[name].label}"


def _study(does: str) -> Callable[[Messages, Mapping[str, str]], str]:
    return lambda messages, wildcards: messages._of_study(does)


_OF_RULES: dict[str, Callable[[Messages, Mapping[str, str]], str]] = {
    "prepare": Messages._prepare,
    "pretrain": Messages._pretrain,
    "train": Messages._train,
    "extract": Messages._extract,
    "figure": _draw,
    "table": _draw,
    "try_setting": Messages._try,
    "choose_setting": Messages._choose,
    "claims": _study("Check the findings of the paper in the results"),
    "lineage": _study("List the code that made the results"),
    "scale": _study("Estimate the cost"),
    "explorer": _study("Build the explorer"),
    "collect_settings": _study("Collect the settings that the search has chosen"),
    "search": _study("Finish the search"),
    "all": _study("Finish all results"),
    "efficiency": _study("Finish the measurements of efficiency"),
    "benchmarks": lambda messages, wildcards: "Measure speed, memory and storage",
}
