"""What Snakemake prints when a job starts: a sentence with the labels that figures use."""

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
    """The `message:` of every rule; the name `TELL` of the Snakefile must be the study's `Messages`.

    Snakemake takes no function there. It formats this text when a job starts, with the rule's name and its
    wildcards ("name=value,name=value"). Instead of a rule's message, a dry run shows its files and resources.

    Args:
        is_dry_run: says whether this is a dry run, which is not known yet when rules are read.
    """

    _is_dry_run: Callable[[], bool]

    def __new__(cls, is_dry_run: Callable[[], bool]) -> Message:
        message = super().__new__(cls, "{TELL:{rule}({wildcards})}")
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
        told = ", ".join(self._label(name, wildcards[name]) for name in names)
        return f"{table.does}: {told}" if told else f"{table.does} of study {self._study.study}"

    def _label(self, wildcard: str, value: str) -> str:
        labels = {"dataset": self._datasets, "backbone": self._backbones}
        return labels[wildcard][value] if wildcard in labels else f"{wildcard.replace('_', ' ')} {value}"

    def _model(self, given: Mapping[str, str]) -> str:
        """The method and keep rate, the data set and the backbone of a run."""
        model = "the unreduced model"
        if given["method"] != UNREDUCED:
            percent = float(Fraction(given["keep_rate"]) * 100)
            model = f"{METHODS[given['method']].plain_label} at {percent:g} %"
        where = self._label("dataset", given["dataset"]), self._label("backbone", given["backbone"])
        return f"{model} on {', '.join(where)}"

    def _train(self, given: Mapping[str, str]) -> str:
        return f"Fine-tune {self._model(given)}, seed {given['seed']}"

    def _extract(self, given: Mapping[str, str]) -> str:
        return f"Extract patterns and features of {self._model(given)}, seed {given['seed']}"

    def _prepare(self, given: Mapping[str, str]) -> str:
        return f"Prepare the {_SPLITS[given['split']]} split of {self._label('dataset', given['dataset'])}"

    def _pretrain(self, given: Mapping[str, str]) -> str:
        return f"Pretrain {self._label('backbone', given['backbone'])} from scratch"

    def _try(self, given: Mapping[str, str]) -> str:
        known = {OF_FIRST: "the setting of the first data set", OF_BASELINE: "the unreduced model's setting"}
        setting = known.get(given["trial"], f"setting {given['trial']}")
        return f"Try {setting} for {self._model(given)}"

    def _choose(self, given: Mapping[str, str]) -> str:
        return f"Choose the setting of {self._model(given)}"

    def _of_study(self, does: str) -> str:
        return f"{does} of study {self._study.study}"


def _draw(messages: Messages, given: Mapping[str, str]) -> str:
    ((kind, name),) = given.items()
    return f"{'Draw' if kind == 'figure' else 'Make'} {ARTIFACTS[name].label}"


def _study(does: str) -> Callable[[Messages, Mapping[str, str]], str]:
    return lambda messages, given: messages._of_study(does)


_OF_RULES: dict[str, Callable[[Messages, Mapping[str, str]], str]] = {
    "prepare": Messages._prepare,
    "pretrain": Messages._pretrain,
    "train": Messages._train,
    "extract": Messages._extract,
    "figure": _draw,
    "table": _draw,
    "try_setting": Messages._try,
    "choose_setting": Messages._choose,
    "claims": _study("Check the paper's findings in the results"),
    "lineage": _study("List the code behind the results"),
    "scale": _study("Estimate the cost"),
    "explorer": _study("Build the explorer"),
    "collect_settings": _study("Collect the settings that were found by the search"),
    "search": _study("Finish the search"),
    "all": _study("Finish all results"),
    "benchmarks": lambda messages, given: "Measure speed, memory and storage",
}
