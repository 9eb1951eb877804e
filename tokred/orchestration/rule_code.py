"""The function that each rule of the workflow runs, and fingerprints of its code.

Fingerprints (`tokred.orchestration.provenance`) are by stage: a rule, or the part of a rule's code that
belongs to one method or one data set adapter, so that a changed method retrains only its own models. This
module also declares for each rule the registries' entries whose code it runs (`METHODS=[...]`; empty if the
rule only reads other fields of entries, which are then in its `params`).
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
#: The function that makes result tables, by calling the target of their entry in `tokred.tables.registry`.
MAKE_TABLE = "tokred.comparison.job:make"
#: Fields of registries' entries that only figures and tables show.
LOOKS = ("label", "color", "marker")
#: Names of the metrics in each table of comparisons.
TABLE_METRICS = {name: table.metrics for name, table in TABLES.items() if table.metrics}


class RuleCode:
    """Fingerprints of the rules' code.

    Args:
        package: the package with the code.
    """

    def __init__(self, package: Package) -> None:
        self._package = package

    def prepare(self, adapter: str) -> Stages:
        """Code that prepares a data set."""
        own = self._package.code(*ADAPTERS[adapter].code, ADAPTERS=[])
        return {"prepare": self._of("prepare", ADAPTERS=[]), f"prepare {adapter}": own}

    def run(self, stage: str, method: str) -> Stages:
        """Code of a stage of one model: "pretrain", "train", "extract" or "try_setting"."""
        own = self._package.code(*METHODS[method].code, METHODS=[])
        return {stage: self._of(stage, METHODS=[]), f"{stage} {method}": own}

    def make(self, rule: str) -> Stages:
        """Code that makes the result tables of a rule."""
        made = {name: table for name, table in TABLES.items() if table.rule == rule}
        first = next(iter(made.values()))
        methods = METHODS if first.measured else []  # which then run
        registries = {"METHODS": methods, "ADAPTERS": [], "METRICS": first.metrics, "TABLES": list(made)}
        return {rule: self._package.code(MAKE_TABLE, first.target, **registries)}

    def collect_settings(self) -> Stages:
        """Code that collects the settings of a search."""
        return {"collect_settings": self._of("collect_settings", METHODS=[], ADAPTERS=[])}

    def choose_setting(self) -> str:
        """Code that chooses among trials."""
        return self._of("choose_setting")

    def render(self, artifact: str) -> str:
        """Code that draws a figure or makes a table."""
        entry = ARTIFACTS[artifact]
        read = {"ARTIFACTS": [artifact], "TABLES": entry.needs}
        return self._of(entry.kind, METHODS=[], METRICS=[], **read)

    def claims(self) -> str:
        """Code that decides all claims."""
        return self._of("claims", METHODS=[], METRICS=[], TABLES=CLAIMED)

    def explorer(self) -> str:
        """Code of the explorer's data; the page consists of further files."""
        return self._of("explorer", METHODS=[])

    def lineage(self) -> str:
        """Code that lists which code made which tables."""
        return self._of("lineage")

    def scale(self, methods: Iterable[str], adapters: Iterable[str]) -> str:
        """Code that estimates the cost of a study with some methods and data set adapters."""
        return self._of("scale", METHODS=methods, ADAPTERS=adapters)

    def _of(self, rule: str, **entries: Iterable[str]) -> str:
        return self._package.code(JOBS[rule], **entries)


def facts_of_methods(names: Iterable[str], without: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """Registry entries of some methods, as plain values."""
    return {name: facts(METHODS[name], without) for name in names}


def facts_of_metrics(tables: Iterable[str], without: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """Registry entries of the metrics in some tables, as plain values."""
    names = dict.fromkeys(name for table in tables for name in metrics_in(TABLES[table]))
    return {name: facts(METRICS[name], without) for name in names}
