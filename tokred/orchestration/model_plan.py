"""Jobs that run networks: pretraining, training and extraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from tokred import fingerprint
from tokred.models import shipped
from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.plan import Gpus, Inputs, Plan, Wildcards
from tokred.orchestration.provenance import installed
from tokred.orchestration.resources import ResourceEstimate, rows
from tokred.orchestration.snakefile import StudyError
from tokred.run import UNREDUCED, Run
from tokred.settings.jobs import Network
from tokred.settings.pretraining import Recipe
from tokred.settings.training import Training


class ModelPlan:
    """Inputs, arguments and resources of trainings and extractions."""

    def __init__(self, plan: Plan, data: DataPlan) -> None:
        self._plan, self._data = plan, data
        self.training_of = cache(self._training_of)

    def recipe_of(self, backbone: str) -> Recipe:
        """Recipe of a backbone's pretraining; StudyError if the study has none."""
        if self._plan.study.pretraining is None:
            raise StudyError(
                f"study {self._plan.study.study!r} has no pretraining: the key `pretraining` is missing"
            )
        return self._plan.study.pretraining_for(backbone)

    def model_of(self, run: Run) -> dict[str, Any]:
        """Network of a run: backbone, options of the method, blocks of the stages, and its schedule."""
        study = self._plan.study
        network = Network(
            backbone=study.settings.backbones[run.backbone],
            options=study.options_of_method(run.method),
            locations=study.locations,
            schedule=study.schedule_of(run.method, run.keep_rate),
        )
        return network.model_dump(mode="json")

    def pretrained_weights(self, backbone: str) -> dict[str, str]:
        """File of the initial weights of a backbone's runs, as the input "pretrained".

        Empty for weights from timm, and for those of the package (see `shipped_weights`).
        """
        source = self._plan.study.settings.backbones[backbone].weights
        if source in ("timm", "shipped"):
            return {}
        own = f"{self._plan.results}/pretrained/{backbone}.safetensors"
        return {"pretrained": own if source == "pretrain" else source}

    def shipped_weights(self, backbone: str, argument: str = "pretrained") -> dict[str, tuple[str, str]]:
        """Initial weights of a backbone's runs, if they are those of the package; otherwise empty.

        They are a parameter, not an input, as neither the package's folder nor the file's age matters.

        Returns:
            By argument of the job: the file's path below the package, and its hash.
        """
        if self._plan.study.settings.backbones[backbone].weights != "shipped":
            return {}
        file = shipped.path(backbone)
        return {argument: (file.relative_to(installed().root).as_posix(), _hash_of(file))}

    def _training_of(self, run: Run) -> Training:
        """Training settings of a run; `training_of` caches them, as inputs and parameters need them."""
        return self._plan.study.training_for(run)

    def training_inputs(self, wildcards: Wildcards) -> Inputs:
        """Tables and weights for a training; the test split only if the study selects epochs on it."""
        run = self._plan.run_of(wildcards)
        if not self._plan.study.fine_tunes:
            raise StudyError(f"study {self._plan.study.study!r} trains no models (training: 'none')")
        files: Inputs = {"train": self._data.image_table(run.dataset, "train")}
        files |= self.pretrained_weights(run.backbone)
        if self.training_of(run).selection == "test":
            files["test"] = self._data.image_table(run.dataset, "test")
        return files

    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of a `TrainJob` except files and hardware."""
        run = self._plan.run_of(wildcards)
        return {
            "run": asdict(run),
            "model": self.model_of(run),
            "training": self.training_of(run).model_dump(),
            "images": self._data.images_of(run.dataset, run.backbone).model_dump(),
            "code": self._plan.code.run("train", run.method),
            "keep_head": self._plan.study.keeps_head(run),
        }

    def pretraining(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of a `PretrainJob` except files and hardware."""
        backbone = wildcards["backbone"]
        run = self._plan.study.pretraining_run(backbone)
        return {
            "run": asdict(run),
            "model": self.model_of(run),
            "recipe": self.recipe_of(backbone).model_dump(),
            "code": self._plan.code.run("pretrain", UNREDUCED),
        }

    def evaluated_backbone(self, wildcards: Wildcards) -> list[str]:
        """File of the weights that an extraction without training evaluates, if there is one."""
        return list(self.pretrained_weights(self._plan.run_of(wildcards).backbone).values())

    def shipped_and_evaluated(self, wildcards: Wildcards) -> dict[str, tuple[str, str]]:
        """`shipped_weights` of an extraction without training; empty if the run is trained."""
        if self._plan.study.fine_tunes:
            return {}
        return self.shipped_weights(wildcards["backbone"], "weights")

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of an `ExtractJob` except files and hardware."""
        run = self._plan.run_of(wildcards)
        return {
            "run": asdict(run),
            "model": self.model_of(run),
            "images": self._data.images_of(run.dataset, run.backbone).model_dump(),
            "batch_size": self._plan.study.evaluation_batch_size,
            "precision": self._plan.study.evaluation_precision,
            "trained": self._plan.study.fine_tunes,
            "code": self._plan.code.run("extract", run.method),
        }

    def training_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of a training."""
        run = self._plan.run_of(wildcards)
        training = self.training_of(run)
        return self.estimate_of(run, inputs["train"], training.epochs, training.batch_size, gpus)

    def pretraining_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of training a backbone from scratch: one process, and images generated on demand."""
        recipe = self.recipe_of(wildcards["backbone"])
        return ResourceEstimate(
            images=recipe.steps * recipe.batch_size,
            epochs=1,
            batch_size=recipe.batch_size,
            backbone=self._plan.study.settings.backbones[wildcards["backbone"]],
            streamed=True,
            hardware=self._plan.study.hardware.model_copy(update={"processes": 1, "nodes": 1}),
            gpus=gpus(1),
        )

    def extraction_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of one pass over the test split, in one process."""
        run, batch_size = self._plan.run_of(wildcards), self._plan.study.evaluation_batch_size
        return self.estimate_of(run, inputs["test"], 1, batch_size, gpus, alone=True)

    def measuring_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of measuring all configurations of a backbone: as many passes as over some images."""
        return ResourceEstimate(
            images=20_000,
            epochs=1,
            batch_size=self._plan.study.evaluation_batch_size,
            backbone=self._plan.study.settings.backbones[wildcards["backbone"]],
            streamed=False,
            hardware=self._plan.study.hardware.model_copy(update={"processes": 1, "nodes": 1}),
            gpus=gpus(1),
        )

    def estimate_of(
        self, run: Run, table: str, epochs: int, batch_size: int, gpus: Gpus, *, alone: bool = False
    ) -> ResourceEstimate:
        """Resources of a job that passes the images of a table through the network of a run.

        Args:
            alone: whether it has one process, whatever the study's hardware is.
        """
        hardware = self._plan.study.hardware
        if alone:
            hardware = hardware.model_copy(update={"processes": 1, "nodes": 1})
        return ResourceEstimate(
            images=rows(table),
            epochs=epochs,
            batch_size=batch_size,
            backbone=self._plan.study.settings.backbones[run.backbone],
            streamed=self._data.images_of(run.dataset, run.backbone).source == "stream",
            hardware=hardware,
            gpus=gpus(hardware.processes * hardware.nodes),
        )


@cache
def _hash_of(file: Path) -> str:
    return fingerprint.file(file)
