"""The jobs of a hyperparameter search: paths, inputs and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.model_plan import ModelPlan
from tokred.orchestration.plan import Gpus, Inputs, Plan, Wildcards
from tokred.orchestration.resources import ResourceEstimate
from tokred.orchestration.snakefile import StudyError, explain_errors
from tokred.search import plan as search
from tokred.search.plan import OF_BASELINE, OF_FIRST, Cell
from tokred.study.search import SEARCHED, Setting

#: Path of a model whose settings are searched, and of one of its trials.
CELL = "{dataset}/{backbone}/{method}/{keep_rate}"
TRIAL = f"{CELL}/{{trial}}"
#: Regular expression of a trial's name.
TRIAL_NAME = rf"[0-9.e_-]+|{OF_FIRST}|{OF_BASELINE}"


class SearchPlan:
    """The jobs of a study's search.

    Attributes:
        folder: folder of its results.
    """

    def __init__(self, plan: Plan, data: DataPlan, models: ModelPlan) -> None:
        self._plan, self._data, self._models, self._study = plan, data, models, plan.study
        self.folder = f"{plan.results}/search"

    @cached_property
    def trials(self) -> search.Plan:
        """The trials by model; StudyError if the study has no search, or an impossible one.

        It is checked only on use, so that a part of a study can run without adapting its search.
        """
        if self._study.search is None:
            raise StudyError(f"study {self._study.study!r} has no key `search`: see docs/search.md")
        with explain_errors():
            search.check(self._study)
        return search.plan(self._study)

    def cell_of(self, wildcards: Wildcards) -> Cell:
        """The model of the search that wildcards name; StudyError if the search has no such model."""
        cell = Cell(wildcards["dataset"], wildcards["method"], wildcards["keep_rate"])
        if cell not in self.trials or wildcards["backbone"] != search.backbone(self._study):
            raise StudyError(f"the search of study {self._study.study!r} has no model {_path(wildcards)}")
        return cell

    def files_of(self, cell: Cell) -> list[str]:
        """Histories of all trials of a model; of equally good trials, the first one is chosen."""
        return [self._file(cell, f"history/{TRIAL}.parquet", trial=name) for name in self.trials[cell]]

    def all_files(self) -> list[str]:
        """Histories of all trials, model by model."""
        return [file for cell in self.trials for file in self.files_of(cell)]

    def trial_inputs(self, wildcards: Wildcards) -> Inputs:
        """Tables and weights of a trial, and the file of a setting that was chosen for another model."""
        cell = self.cell_of(wildcards)
        files: Inputs = {"train": self._data.image_table(cell.dataset, "train")}
        files |= self._models.pretrained_weights(wildcards["backbone"])
        assert self._study.search is not None  # `cell_of` has checked it
        if self._study.search.select_on == "test":
            files["test"] = self._data.image_table(cell.dataset, "test")
        tried = self._tried(wildcards)
        if isinstance(tried, Cell):
            files["chosen"] = self._file(tried, f"chosen/{CELL}.json")
        return files

    def trial(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of a `TrialJob` except files and hardware."""
        cell, tried = self.cell_of(wildcards), self._tried(wildcards)
        run = search.run_in_study(self._study, cell)
        return {
            "run": asdict(search.run_of_trials(self._study, cell)),
            "model": self._models.model_of(run),
            "training": search.training(self._study, cell).model_dump(exclude=set(SEARCHED)),
            "setting": None if isinstance(tried, Cell) else tried,
            "images": self._data.images_of(cell.dataset, wildcards["backbone"]).model_dump(),
            "code": self._plan.code.run("try_setting", cell.method),
            "keep_head": self._study.keeps_head(run),
        }

    def choice(self, wildcards: Wildcards) -> dict[str, Any]:
        """Arguments of `tokred.search.choice.choose` except files.

        The order of the names decides between equally good trials; Snakemake treats inputs as a set.
        """
        cell = self.cell_of(wildcards)
        return {"names": list(self.trials[cell]), "last": search.takes_last(self._study, cell)}

    def trial_estimate(self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus) -> ResourceEstimate:
        """Resources of a trial."""
        cell = self.cell_of(wildcards)
        training, run = search.training(self._study, cell), search.run_in_study(self._study, cell)
        return self._models.estimate_of(run, inputs["train"], training.epochs, training.batch_size, gpus)

    def _tried(self, wildcards: Wildcards) -> Setting | Cell:
        """The setting of a trial, or the model whose chosen setting it takes."""
        options = self.trials[self.cell_of(wildcards)]
        if wildcards["trial"] not in options:
            raise StudyError(f"the search of study {self._study.study!r} has no trial {_path(wildcards)}")
        return options[wildcards["trial"]]

    def _file(self, cell: Cell, pattern: str, **more: str) -> str:
        """A file of a model of the search."""
        return f"{self.folder}/{pattern}".format(
            **asdict(cell), backbone=search.backbone(self._study), **more
        )


def _path(wildcards: Wildcards) -> str:
    return "/".join(wildcards[name] for name in wildcards.keys())  # noqa: SIM118
