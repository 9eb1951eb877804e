"""Jobs that prepare data sets, and how backbones access their images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokred.data.layout import check_root
from tokred.orchestration.plan import Plan, Wildcards
from tokred.orchestration.resources import PreparationEstimate
from tokred.orchestration.snakefile import explain_errors
from tokred.settings.images import ImageAccess
from tokred.study.parts import Dataset

if TYPE_CHECKING:
    from tokred.data.resize import Framing


class DataPlan:
    """Paths, arguments and resources of a study's data sets.

    Attributes:
        image_size: height and width of the backbones' input.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        backbones = plan.study.settings.backbones
        self.image_size = max(backbones[name].image_size for name in plan.study.backbones)

    def dataset_of(self, name: str) -> Dataset:
        """Configuration of a data set of the study."""
        return self._plan.study.settings.datasets[name]

    def images_of(self, dataset: str, backbone: str) -> ImageAccess:
        """How a backbone accesses the images of a data set."""
        return self._plan.study.images_of(self.dataset_of(dataset), backbone)

    def image_table(self, dataset: str, split: str) -> str:
        """Path of the image table of a split."""
        return f"{self._plan.results}/datasets/{dataset}/{split}.parquet"

    def check_folder(self, wildcards: Wildcards) -> list[str]:
        """Input function without files; StudyError if the folder of the data set is missing."""
        options = self._plan.study.options_of(self.dataset_of(wildcards["dataset"]))
        table = self.image_table(wildcards["dataset"], wildcards["split"])
        if "root" in options and not Path(table).exists():
            with explain_errors():
                check_root(options["root"])
        return []

    def framing_of(self, dataset: str) -> Framing:
        """Crop of the evaluation transform; images in memory have the backbones' size and are not cropped."""
        accesses = [self.images_of(dataset, backbone) for backbone in self._plan.study.backbones]
        crops = [access.crop_pct for access in accesses if access.source == "stream"]
        return {"size": self.image_size, "crop_pct": crops[0] if crops else None}

    def framings(self) -> dict[str, Framing]:
        """`framing_of` each data set with streamed images, which may have any size."""
        names, backbones = self._plan.study.datasets, self._plan.study.backbones
        streamed = [n for n in names if any(self.images_of(n, b).source == "stream" for b in backbones)]
        return {name: self.framing_of(name) for name in streamed}

    def arguments(self, wildcards: Wildcards) -> dict[str, Any]:
        """Arguments of `tokred.data.prepare.prepare` except its output."""
        name = wildcards["dataset"]
        dataset = self.dataset_of(name)
        return {
            "adapter": dataset.adapter,
            "name": name,
            "split": wildcards["split"],
            "options": self._plan.study.options_of(dataset),
            "code": self._plan.code.prepare(dataset.adapter),
            "for_training": True,
            "size": self._size_in_memory(name),
        }

    def _size_in_memory(self, dataset: str) -> int | None:
        """Required height and width of images that are held in memory; None for any."""
        for backbone in self._plan.study.backbones:
            if self.images_of(dataset, backbone).source == "memory":
                return self._plan.study.settings.backbones[backbone].image_size
        return None

    def estimate(self, wildcards: Wildcards, threads: int) -> PreparationEstimate:
        """Resources of preparing a split of a data set."""
        return PreparationEstimate(self.reads_files(wildcards), threads)

    def reads_files(self, wildcards: Wildcards) -> bool:
        """Whether the images of a data set are files of the user; otherwise they are generated."""
        return "root" in self._plan.study.options_of(self.dataset_of(wildcards["dataset"]))
