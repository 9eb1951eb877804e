"""What code each rule of the workflow runs: by stage, its fingerprint (`tokred.orchestration.provenance`).

A stage is a rule, or the part of it that is one method's or one data set adapter's own: a method that changes
has its own models trained anew. Registries are declared here once: whose code a rule runs (`METHODS=[...]`;
empty where it only reads what the registry says, which the rule has among its `params`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokred.data.registry import ADAPTERS
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.orchestration.provenance import Package, facts

Stages = dict[str, str]
#: What the registries say for figures and tables alone.
LOOKS = ("label", "color", "marker")
#: Names of the metrics that are computed for each table of comparisons.
TABLE_METRICS = {
    "keep_rates": ["ioa", "homogeneity", "completeness"],
    "fixed": ["iou"],
    "methods": ["iou", "nmi"],
    "backbones": ["iou", "nmi"],
    "object_recall": [name for name, metric in METRICS.items() if metric.kind == "objects"],
    "features": [name for name, metric in METRICS.items() if metric.kind == "features"],
    "datasets": [name for name, metric in METRICS.items() if metric.kind == "maps"],
}
#: Names of the metrics that a table names, whatever computed them.
_NAMED = {**TABLE_METRICS, "proxies": [*TABLE_METRICS["methods"], *TABLE_METRICS["features"]]}


class RuleCode:
    """The code behind the rules.

    Args:
        package: where it is.
        scripts: folder of the rules' scripts.
    """

    def __init__(self, package: Package, scripts: str | Path) -> None:
        self._package, self._scripts = package, Path(scripts)

    def prepare(self, adapter: str) -> Stages:
        """Of a data set's preparation."""
        own = self._package.code(*ADAPTERS[adapter].code, ADAPTERS=[])
        return {"prepare": self._of("prepare", ADAPTERS=[]), f"prepare {adapter}": own}

    def run(self, stage: str, method: str) -> Stages:
        """Of what a model goes through: "pretrain", "train", "extract" or "try_setting"."""
        own = self._package.code(*METHODS[method].code, METHODS=[])
        return {stage: self._of(stage, METHODS=[]), f"{stage} {method}": own}

    def compare(self, rule: str, job: str, *targets: str) -> Stages:
        """Of a comparison.

        Args:
            job: function of `tokred.comparison.jobs`.
            targets: more that runs, as "module:name".
        """
        metrics = TABLE_METRICS.get(rule.removeprefix("compare_"), [])
        found = self._of("compare", f"tokred.comparison.jobs:{job}", *targets, METHODS=[], METRICS=metrics)
        return {rule: found}

    def list_settings(self) -> Stages:
        """Of the tables of settings."""
        return {"list_settings": self._of("list_settings", METHODS=[], ADAPTERS=[])}

    def collect_settings(self) -> Stages:
        """Of the result of a search."""
        return {"collect_settings": self._of("collect_settings", METHODS=[], ADAPTERS=[])}

    def choose_setting(self) -> str:
        """Of the choice among trials."""
        return self._of("choose_setting")

    def render(self, artifact: str) -> str:
        """Of a figure or table."""
        return self._of("render", ARTIFACTS=[artifact], METHODS=[], METRICS=[])

    def claims(self) -> str:
        """Of the verdicts on all claims."""
        return self._of("claims", METHODS=[], METRICS=[])

    def explorer(self) -> str:
        """Of the explorer's data; its page is made of other files besides."""
        return self._of("explorer", METHODS=[])

    def lineage(self) -> str:
        """Of the page that says which code made what."""
        return self._of("lineage")

    def scale(self, methods: Iterable[str], adapters: Iterable[str]) -> str:
        """Of the costs of a study with some methods and data sets."""
        return self._of("scale", METHODS=methods, ADAPTERS=adapters)

    def _of(self, script: str, *targets: str, **entries: Iterable[str]) -> str:
        return self._package.code(str(self._scripts / f"{script}.py"), *targets, **entries)


def facts_of_methods(names: Iterable[str], without: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """What the registry says of some methods."""
    return {name: facts(METHODS[name], without) for name in names}


def facts_of_metrics(tables: Iterable[str], without: Iterable[str] = ()) -> dict[str, dict[str, object]]:
    """What the registry says of the metrics in some tables."""
    names = dict.fromkeys(name for table in tables for name in _NAMED.get(table, ()))
    return {name: facts(METRICS[name], without) for name in names}
