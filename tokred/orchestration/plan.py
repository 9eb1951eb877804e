"""The plan of a study: settings, folders and code fingerprints that all its jobs share.

`DataPlan`, `ModelPlan`, `TablePlan`, `ArtifactPlan` and `SearchPlan` build on it, and determine paths, inputs
and arguments of jobs. Wildcards are mappings from names to text, as in Snakemake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cached_property

from tokred.artifacts.registry import ARTIFACTS
from tokred.methods.registry import METHODS
from tokred.orchestration.provenance import installed
from tokred.orchestration.rule_code import LOOKS, RuleCode, facts_of_methods
from tokred.orchestration.snakefile import StudyError
from tokred.run import UNREDUCED, Run
from tokred.study.study import Study

Wildcards = Mapping[str, str]
#: Paths of a job's inputs by name: a file, or a list of files.
Inputs = dict[str, str | list[str]]
#: Returns the number of GPUs for a number of processes.
Gpus = Callable[[int], int]
#: Fields of a study that change how and where it computes, but no result.
_NO_RESULTS = {"hardware", "environment", "data"}


class Plan:
    """A study, as all plans of its jobs need it.

    Args:
        study: the validated configuration.
        keep_code: whether the parsed code of the package is kept for the next start.

    Attributes:
        study: the validated configuration.
        view: labels and axes of the study, as figures need them.
        view_values: the view as plain values.
        results: folder of the study's results, relative to the working directory.
        logs: folder of its logs.
        config: the configuration as plain values, without fields that change no result.
        code: fingerprints of the rules' code.
        runs: all runs of the study, sorted.
    """

    def __init__(self, study: Study, keep_code: bool = False) -> None:
        self.study, self.view = study, study.view()
        self.view_values = asdict(self.view)
        self.results = f"results/{study.study}"
        self.logs = f"{self.results}/logs"
        self.config = study.model_dump(mode="json", exclude_unset=True, exclude=_NO_RESULTS)
        self.code = RuleCode(installed(keep_code))
        self.runs = sorted(study.runs())
        self._known_runs = set(self.runs)

    @cached_property
    def wildcard_constraints(self) -> dict[str, str]:
        """Regular expression of each wildcard."""
        kinds = {kind: [a.name for a in ARTIFACTS.values() if a.kind == kind] for kind in ("figure", "table")}
        names: dict[str, Iterable[str]] = {
            "dataset": self.study.settings.datasets,
            "backbone": self.study.settings.backbones,
            "method": METHODS,
            "split": ("train", "test"),
            **kinds,
        }
        return {name: "|".join(values) for name, values in names.items()} | {
            "keep_rate": r"[01]\.[0-9][0-9]+",
            "seed": r"[0-9]+",
        }

    def run_of(self, wildcards: Wildcards) -> Run:
        """The run that wildcards name; StudyError if the study has no such run."""
        run = Run.of(wildcards)
        if not self.view.trained:
            raise StudyError(
                f"study {self.study.study!r} trains no models: it shows the published performance"
            )
        if run not in self._known_runs:
            raise StudyError(
                f"study {self.study.study!r} has no run {run.key}: see its axes in the configuration"
            )
        return run

    @cached_property
    def method_facts(self) -> dict[str, dict[str, object]]:
        """Registry entries of the study's methods, as plain values for `params`."""
        return facts_of_methods([UNREDUCED, *self.view.methods])

    @cached_property
    def plain_method_facts(self) -> dict[str, dict[str, object]]:
        """`method_facts` without fields that only figures and tables show."""
        return facts_of_methods([UNREDUCED, *self.view.methods], without=LOOKS)
