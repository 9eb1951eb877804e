"""Jobs that make result tables from other tables, as registered in `tokred.tables.registry`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tokred.files import visible_files
from tokred.methods.registry import METHODS
from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.model_plan import ModelPlan
from tokred.orchestration.plan import Inputs, Plan, Wildcards
from tokred.orchestration.rule_code import LOOKS, facts_of_metrics
from tokred.orchestration.snakefile import StudyError, explain_errors
from tokred.run import RUN_PATH
from tokred.study.hyperparameters import OWN, PUBLISHED
from tokred.tables.registry import (
    DYNAMIC_PATTERNS,
    HYPERPARAMETERS,
    MEASURED_IMAGES,
    MEASURED_WEIGHTS,
    OTHER_STUDY,
    TABLES,
    TEST_IMAGES,
    ResultTable,
)


class TablePlan:
    """Paths and inputs of a study's result tables."""

    def __init__(self, plan: Plan, data: DataPlan) -> None:
        self.plan, self.data, self.models = plan, data, ModelPlan(plan, data)

    def files(self, table: str, **selection: str) -> list[str]:
        """Files of a result table, sorted.

        Args:
            table: its name in the registry.
            selection: required values of wildcards; those that the table's path does not have are ignored.
        """
        entry = TABLES[table]
        if not self.plan.view.trained:
            entry = next((other for other in TABLES.values() if other.instead_of == table), entry)
        pattern = f"{self.plan.results}/{entry.path}.parquet"
        if entry.of_runs:
            selected = [
                run for run in self.plan.runs if all(str(getattr(run, k)) == v for k, v in selection.items())
            ]
            return [pattern.format(**asdict(run)) for run in selected]
        axes: dict[str, Sequence[object]] = {
            "dataset": self.plan.view.masked if entry.masked else self.plan.study.datasets,
            "backbone": self.plan.study.backbones,
            "seed": self.plan.study.seeds,
        }
        axes |= {name: [value] for name, value in selection.items() if name in axes}
        return sorted(
            {pattern.format(**dict(zip(axes, values, strict=True))) for values in product(*axes.values())}
        )

    def jobs(self) -> list[TableJob]:
        """The jobs that make result tables, one per rule."""
        by_rule: dict[str, list[ResultTable]] = {}
        for table in TABLES.values():
            if table.target:
                by_rule.setdefault(table.rule, []).append(table)
        return [TableJob(self, rule, tuple(tables)) for rule, tables in by_rule.items()]

    def input_files(self, name: str, wildcards: Wildcards) -> list[str]:
        """Files of one input of a result table."""
        if name == TEST_IMAGES:
            datasets = [wildcards["dataset"]] if "dataset" in wildcards.keys() else self.plan.study.datasets  # noqa: SIM118
            return [self.data.image_table(dataset, "test") for dataset in datasets]
        if name == OTHER_STUDY:
            return self.scores_to_compare_with()
        if name == HYPERPARAMETERS:
            source = self.plan.study.hyperparameters
            return [] if source in (OWN, PUBLISHED) else [source]
        if name in (DYNAMIC_PATTERNS, MEASURED_IMAGES, MEASURED_WEIGHTS):
            return self._for_efficiency(name, wildcards)
        return self.files(name, **dict(wildcards.items()))

    def _for_efficiency(self, name: str, wildcards: Wildcards) -> list[str]:
        """Files of runs whose number of tokens depends on the image; none in a study without models."""
        results, study = self.plan.results, self.plan.study
        runs = [run for run in self.plan.runs if METHODS[run.method].dynamic]
        if not self.plan.view.trained or not runs:
            return []
        if name == MEASURED_IMAGES:
            return [self.data.image_table(study.datasets[0], "test")]
        if name == DYNAMIC_PATTERNS:
            return [f"{results}/{TABLES['patterns'].path}.parquet".format(**asdict(run)) for run in runs]
        if not study.fine_tunes:
            return list(self.models.pretrained_weights(wildcards["backbone"]).values())
        first = (study.datasets[0], wildcards["backbone"], study.seeds[0])
        measured = [run for run in runs if (run.dataset, run.backbone, run.seed) == first]
        return [f"{results}/checkpoints/{RUN_PATH}.safetensors".format(**asdict(run)) for run in measured]

    def scores_to_compare_with(self) -> list[str]:
        """Files of performance of the study that this one is compared with; StudyError if there are none."""
        name = self.plan.study.compare_with
        if name in (None, "published"):
            return []
        folder = Path(f"results/{name}/scores")
        with explain_errors():
            files = list(map(str, visible_files(folder, ".parquet"))) if folder.is_dir() else []
        if not files:
            raise StudyError(f"compare_with: study {name!r} has no performance under results/{name}/scores")
        return files


@dataclass(frozen=True)
class TableJob:
    """The job of a rule that makes result tables.

    Attributes:
        table_plan: plan of all result tables of the study.
        rule: name of the rule.
        tables: tables that one call of the function makes; they have the same slice and inputs.
    """

    table_plan: TablePlan
    rule: str
    tables: tuple[ResultTable, ...]

    @property
    def outputs(self) -> dict[str, str]:
        """Path with wildcards of each table."""
        return {table.name: f"{self.table_plan.plan.results}/{table.path}.parquet" for table in self.tables}

    @property
    def measured(self) -> bool:
        """Whether it measures speed, and has the machine for itself."""
        return self.tables[0].measured

    @property
    def log(self) -> str:
        """Path with wildcards of the log."""
        return f"{self.table_plan.plan.logs}/{'/'.join(filter(None, [self.rule, self.tables[0].slice]))}.log"

    def inputs(self, wildcards: Wildcards) -> Inputs:
        """Files of each input that has any."""
        inputs = {name: self.table_plan.input_files(name, wildcards) for name in self.tables[0].inputs}
        return {name: files for name, files in inputs.items() if files}

    def arguments(self, wildcards: Wildcards) -> dict[str, Any]:
        """Arguments of `tokred.comparison.job.make`, except its files."""
        table = self.tables[0]
        of_study = {name: STUDY_ARGUMENTS[name](self.table_plan, wildcards) for name in table.of_study}
        return {
            "target": table.target,
            "arguments": {**table.arguments, **of_study},
            "code": self.table_plan.plan.code.make(self.rule),
        }

    def facts(self) -> dict[str, Any]:
        """Registry entries of the methods and metrics of the tables."""
        inputs = self.tables[0].inputs
        of_runs = any(name in _OF_RUNS or (name in TABLES and TABLES[name].of_runs) for name in inputs)
        return {
            "methods": self.table_plan.plan.plain_method_facts if of_runs else {},
            "metrics": facts_of_metrics([self.tables[0].name], without=LOOKS),
        }


#: Inputs of tables about all runs of a study.
_OF_RUNS = (DYNAMIC_PATTERNS, MEASURED_WEIGHTS)
#: Arguments of comparisons that depend on the study (`ResultTable.of_study`).
STUDY_ARGUMENTS: dict[str, Callable[[TablePlan, Wildcards], object]] = {
    "dataset": lambda tables, wildcards: wildcards["dataset"],
    "size": lambda tables, wildcards: tables.data.framing_of(wildcards["dataset"])["size"],
    "crop_pct": lambda tables, wildcards: tables.data.framing_of(wildcards["dataset"])["crop_pct"],
    "grid": lambda tables, wildcards: tables.plan.view.grid,
    "compare_with": lambda tables, wildcards: tables.plan.study.compare_with,
    "config": lambda tables, wildcards: tables.plan.config,
    "backbone": lambda tables, wildcards: wildcards["backbone"],
    "device": lambda tables, wildcards: tables.plan.study.hardware.device,
}
