"""Jobs that present results: figures and tables, claims, the explorer, lineage and costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokred.artifacts.artifact import Artifact
from tokred.artifacts.registry import ARTIFACTS
from tokred.claims import TABLES as CLAIMED
from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.plan import Inputs, Plan
from tokred.orchestration.provenance import facts
from tokred.orchestration.rule_code import facts_of_metrics
from tokred.orchestration.snakefile import StudyError
from tokred.orchestration.table_plan import TablePlan
from tokred.run import UNREDUCED
from tokred.tables.registry import TABLES


class ArtifactPlan:
    """Paths, inputs and arguments of a study's figures, tables and pages.

    Attributes:
        names: names of the figures and tables that the study can have, without those that it does not ask
            for.
        measured: those of them that need measurements of speed, and are no part of `all`.
    """

    def __init__(self, plan: Plan, data: DataPlan, tables: TablePlan) -> None:
        self._plan, self._data, self._tables = plan, data, tables
        self.names = [
            name
            for name, entry in ARTIFACTS.items()
            if entry.unavailable_reason(plan.view) is None and self._is_asked_for(entry)
        ]
        self.measured = [
            name for name in self.names if any(TABLES[table].measured for table in ARTIFACTS[name].needs)
        ]

    def _is_asked_for(self, artifact: Artifact) -> bool:
        """Whether the study asks for each table of an artifact that is made on request."""
        keys = [TABLES[table].on_request for table in artifact.needs]
        return all(getattr(self._plan.study, key) for key in keys if key)

    def files(self, names: Iterable[str] | None = None) -> list[str]:
        """All files of some artifacts, by default of those that are part of `all`."""
        chosen = [ARTIFACTS[name] for name in (self._deterministic() if names is None else names)]
        return [f"{self._plan.results}/{a.kind}s/{a.name}.{suffix}" for a in chosen for suffix in a.formats]

    def _deterministic(self) -> list[str]:
        return [name for name in self.names if name not in self.measured]

    def inputs(self, name: str) -> Inputs:
        """Files of each table that an artifact needs; StudyError if the study cannot have the artifact."""
        reason = ARTIFACTS[name].unavailable_reason(self._plan.view)
        if reason is not None:
            raise StudyError(reason)
        return {table: self._tables.files(table) for table in ARTIFACTS[name].needs}

    def arguments(self, name: str) -> dict[str, Any]:
        """Arguments of `tokred.artifacts.render.render_files`, except its files."""
        return {"name": name, "view": self._plan.view_values}

    def report_category(self, name: str) -> str:
        """Category of an artifact in the report."""
        return ARTIFACTS[name].topic

    def report_labels(self, name: str) -> dict[str, str]:
        """Labels of an artifact in the report, which sorts them as text: a padding space puts 6 before 14."""
        label = ARTIFACTS[name].label
        kind, _, number = label.partition(" ")
        if number[:1].isdigit():
            label = f"{kind}{' ' * (3 - len(number.rstrip('abc')))}{number}"
        return {"artifact": label, "shows": ARTIFACTS[name].title}

    def registry_facts(self, name: str) -> dict[str, Any]:
        """Registry entries and code that an artifact depends on, for `params`."""
        entry = ARTIFACTS[name]
        return {
            "artifact": facts(entry),
            "caption": entry.caption_for(self._plan.view),
            "methods": self._plan.method_facts,
            "metrics": facts_of_metrics(entry.needs),
            "code": self._plan.code.render(name),
        }

    def claims_inputs(self) -> Inputs:
        """Files of each table that claims need, as far as the study has it."""
        names = [name for name in CLAIMED if self._plan.view.trained or TABLES[name].untrained]
        return {name: self._tables.files(name) for name in names}

    def claims_facts(self) -> dict[str, Any]:
        """Registry entries and code that the verdicts on claims depend on, for `params`."""
        metrics = facts_of_metrics(CLAIMED)
        return {"methods": self._plan.method_facts, "metrics": metrics, "code": self._plan.code.claims()}

    def pages(self) -> list[str]:
        """The explorer, if the study has patterns."""
        return [f"{self._plan.results}/explorer.html"] if self._plan.view.trained else []

    def all_tables(self) -> list[str]:
        """The tables behind artifacts and claims, and the histories of trainings, if there are any."""
        needed = {table for name in self._deterministic() for table in ARTIFACTS[name].needs} | {
            *self.claims_inputs()
        }
        view = self._plan.view
        histories = ["history"] if view.trained and view.fine_tuned else []
        return [file for table in [*histories, *sorted(needed)] for file in self._tables.files(table)]

    def measured_files(self) -> list[str]:
        """Measurements of speed, and all files of the figures and tables that need them."""
        tables = [name for name, table in TABLES.items() if table.measured]
        return [*self.files(self.measured), *(file for name in tables for file in self._tables.files(name))]

    def explorer_inputs(self) -> Inputs:
        """Inputs of the explorer: patterns, predictions and depth of the first seed, performance of all."""
        first = {"seed": str(self._plan.study.seeds[0])}
        return {
            "datasets": [self._data.image_table(name, "test") for name in self._plan.study.datasets],
            "patterns": self._tables.files("patterns", **first),
            "predictions": self._tables.files("predictions", **first),
            **{name: self._tables.files(name) for name in ("scores", "agreement", "macs")},
            "depth": self._tables.files("depth", **first),
        }

    def code_of_cost(self) -> str:
        """Fingerprint of the code that estimates the study's cost."""
        adapters = sorted({self._data.dataset_of(name).adapter for name in self._plan.study.datasets})
        return self._plan.code.scale([UNREDUCED, *self._plan.view.methods], adapters)
