"""What each rule of the workflow runs, and the fingerprint of that code (`tokred.orchestration.provenance`).

A stage is a rule, or the part of it that is one method's or one data set adapter's own: a method that changes
has its own models trained anew. Registries are declared here once: whose code a rule runs (`METHODS=[...]`;
empty where it only reads what the registry says, which the rule has among its `params`).
"""

from __future__ import annotations

from collections.abc import Iterable

from tokred.artifacts.registry import ARTIFACTS
from tokred.claims import TABLES as CLAIMED
from tokred.data.registry import ADAPTERS
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.orchestration.provenance import Package, facts
from tokred.tables.registry import TABLES, metrics_in

Stages = dict[str, str]
#: The function that each rule runs, as "module:name". The rules that make result tables run `MAKE_TABLE`.
JOBS = {
    "prepare": "tokred.data.prepare:prepare",
    "pretrain": "tokred.training.pretraining:pretrain",
    "train": "tokred.training.job:train",
    "extract": "tokred.evaluation.job:extract_run",
    "try_setting": "tokred.search.trial:run_trial",
    "choose_setting": "tokred.search.choice:choose",
    "collect_settings": "tokred.search.result:write",
    "figure": "tokred.artifacts.render:render_files",
    "table": "tokred.artifacts.render:render_files",
    "claims": "tokred.claims.verdicts:write",
    "explorer": "tokred.explorer.build:build",
    "lineage": "tokred.tables.lineage:write",
    "scale": "tokred.orchestration.cost:write",
    "benchmarks": "benchmarks.job:measure",
}
#: The function that makes result tables by calling that of their entry in `tokred.tables.registry`.
MAKE_TABLE = "tokred.comparison.job:make"
#: What the registries say for figures and tables alone.
LOOKS = ("label", "color", "marker")
#: Names of the metrics that are computed for each table of comparisons.
TABLE_METRICS = {name: table.metrics for name, table in TABLES.items() if table.metrics}


class RuleCode:
    """The code behind the rules.

    Args:
        package: where it is.
    """

    def __init__(self, package: Package) -> None:
        self._package = package

    def prepare(self, adapter: str) -> Stages:
        """Of a data set's preparation."""
        own = self._package.code(*ADAPTERS[adapter].code, ADAPTERS=[])
        return {"prepare": self._of("prepare", ADAPTERS=[]), f"prepare {adapter}": own}

    def run(self, stage: str, method: str) -> Stages:
        """Of what a model goes through: "pretrain", "train", "extract" or "try_setting"."""
        own = self._package.code(*METHODS[method].code, METHODS=[])
        return {stage: self._of(stage, METHODS=[]), f"{stage} {method}": own}

    def make(self, rule: str) -> Stages:
        """Of the result tables that a rule makes."""
        made = {name: table for name, table in TABLES.items() if table.rule == rule}
        first = next(iter(made.values()))
        registries = {"METHODS": [], "ADAPTERS": [], "METRICS": first.metrics, "TABLES": list(made)}
        return {rule: self._package.code(MAKE_TABLE, first.target, **registries)}

    def collect_settings(self) -> Stages:
        """Of the result of a search."""
        return {"collect_settings": self._of("collect_settings", METHODS=[], ADAPTERS=[])}

    def choose_setting(self) -> str:
        """Of the choice among trials."""
        return self._of("choose_setting")

    def render(self, artifact: str) -> str:
        """Of a figure or table."""
        entry = ARTIFACTS[artifact]
        read = {"ARTIFACTS": [artifact], "TABLES": entry.needs}
        return self._of(entry.kind, METHODS=[], METRICS=[], **read)

    def claims(self) -> str:
        """Of the verdicts on all claims."""
        return self._of("claims", METHODS=[], METRICS=[], TABLES=CLAIMED)

    def explorer(self) -> str:
        """Of the explorer's data; its page is made of other files besides."""
        return self._of("explorer", METHODS=[])

    def lineage(self) -> str:
        """Of the page that says which code made what."""
        return self._of("lineage")

    def scale(self, methods: Iterable[str], adapters: Iterable[str]) -> str:
        """Of the costs of a study with some methods and data sets."""
        return self._of("scale", METHODS=methods, ADAPTERS=adapters)

    def _of(self, rule: str, **entries: Iterable[str]) -> str:
        return self._package.code(JOBS[rule], **entries)


def facts_of_methods(names: Iterable[str], without: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """What the registry says of some methods."""
    return {name: facts(METHODS[name], without) for name in names}


def facts_of_metrics(tables: Iterable[str], without: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """What the registry says of the metrics in some tables."""
    names = dict.fromkeys(name for table in tables for name in metrics_in(TABLES[table]))
    return {name: facts(METRICS[name], without) for name in names}
