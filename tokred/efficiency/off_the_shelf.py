"""A Vision Transformer off the shelf beside its reduced models, untrained: what is lost and what is saved.

Every image is decoded once, in the background, and passes through all models in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from tokred.data.image_files import ImageFiles, ImageReader, Preprocessing
from tokred.efficiency.conditions import Conditions
from tokred.efficiency.judging import Configuration, Judge, Labels
from tokred.efficiency.macs import published_macs
from tokred.efficiency.memory import peak_memory
from tokred.efficiency.passes import forward_pass
from tokred.efficiency.side_by_side import OutOfMemory, SideBySide
from tokred.efficiency.timing import in_turn
from tokred.models.pretrained import LoadedVit

#: Passes of one image that latency is measured with, and seconds after which no further round begins.
_LATENCY = {"repeats": 30, "seconds": 30.0}


@dataclass(frozen=True)
class Result:
    """What was found.

    Attributes:
        rows: one for each configuration, the unreduced model first.
        conditions: model, images, hardware, versions and settings of all rows.
        unreadable: files that were left out, with the reason.
        complete: whether all images were seen and all columns computed.
        problem: why not, unless somebody interrupted it.
    """

    rows: list[dict[str, Any]]
    conditions: dict[str, Any]
    unreadable: list[tuple[str, str]]
    complete: bool
    problem: ValueError | None


@dataclass
class Trial:
    """A comparison of configurations of one model on one folder of images.

    Attributes:
        loaded: the model and where its weights are from.
        configurations: the unreduced model first.
        files: the images.
        labels: how they are compared with the model.
        preprocessing: from an image to the model's input.
        device, precision, compiled, batch_size: of the computation.
        workers: threads that decode images.
        skip_unreadable: whether images that cannot be read are left out.
        num_neighbors: nearest neighbors that vote.
        support: images among which neighbors are looked for; None for all other images.
        notice: is told what users should know at once.
        progress: is called with the number of images after each pass.
    """

    loaded: LoadedVit
    configurations: Sequence[Configuration]
    files: ImageFiles
    labels: Labels
    preprocessing: Preprocessing
    device: torch.device
    precision: str = "float32"
    compiled: bool = False
    batch_size: int = 64
    workers: int = 1
    skip_unreadable: bool = False
    num_neighbors: int = 20
    support: ImageFiles | None = None
    notice: Callable[[str], None] = print
    progress: Callable[[int], None] = lambda count: None
    _warm: bool = field(default=False, init=False)

    @property
    def passes(self) -> int:
        """Number of images that models see, all of them together."""
        count = len(self.files) + (0 if self.support is None else len(self.support))
        return count * len(self.configurations)

    def run(self) -> Result:
        """Compare the configurations; an interruption or a lack of memory ends it early with what there is.

        Raises:
            ValueError: nothing was computed yet when images could not be read, or did not fit into memory.
        """
        for each in self.configurations:
            each.model.to(self.device)
        support = self._of_support()
        runs, reader = self._runs(), self._reader(self.files)
        index: list[int] = []
        problem, complete, first = None, False, torch.empty(0)
        costs: Mapping[str, Mapping[str, Any]] = {}
        try:
            for batch in reader.batches(self.batch_size):
                index += batch.index
                images = self._pass(runs, batch.pixels)
                first = first if len(first) else images
            costs = self._costs(runs, first)
            complete = True
        except KeyboardInterrupt:
            pass
        except ValueError as error:
            if not runs.done:
                raise
            problem = error
        except torch.OutOfMemoryError as error:  # of the last measurements, beside what is there already
            problem = OutOfMemory(str(error).partition(". ")[0])
        judge = Judge(
            self.configurations,
            runs,
            self.labels,
            self.num_neighbors,
            self.loaded.is_random,
            support,
        )
        rows = judge.rows(index, costs) if runs.done else []
        return Result(rows, self._conditions(first), reader.unreadable, complete, problem)

    def _runs(self) -> SideBySide:
        return SideBySide(
            models={each.name: each.model for each in self.configurations},
            device=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            keep_features=self.labels.protocol == "neighbors" and not self.loaded.is_random,
            compiled=self.compiled,
            notice=self.notice,
        )

    def _reader(self, files: ImageFiles) -> ImageReader:
        return ImageReader(
            files,
            self.preprocessing.pixels(),
            self.workers,
            self.skip_unreadable,
            ahead=self.device.type != "cpu",
        )

    def _pass(self, runs: SideBySide, pixels: Tensor) -> Tensor:
        """Images on the device, after they passed through all models."""
        images = self.preprocessing.normalize(pixels, self.device)
        if not runs.done:
            runs.warm_up(images)
        runs.add(images, self.progress)
        return images

    def _of_support(self) -> tuple[dict[str, Tensor], Tensor] | None:
        """Features of the support's images by configuration, and their classes."""
        if self.support is None:
            return None
        runs, reader = self._runs(), self._reader(self.support)
        index: list[int] = []
        for batch in reader.batches(self.batch_size):
            index += batch.index
            self._pass(runs, batch.pixels)
        classes = torch.tensor([self.support.labels[position] for position in index])
        return {each.name: runs.of(each.name, "features") for each in self.configurations}, classes

    def _costs(self, runs: SideBySide, images: Tensor) -> dict[str, dict[str, Any]]:
        """Multiply-accumulates, latency and memory of each configuration; images of a whole batch."""
        images = images[: runs.batch_size]
        latency = in_turn(
            {name: forward_pass(call, images[:1], self.precision) for name, call in runs.calls.items()},
            self.device,
            repeats=int(_LATENCY["repeats"]),
            warm_up=2,
            seconds=_LATENCY["seconds"],
        )
        runs.release()
        return {
            each.name: {
                "macs": published_macs(each.method, each.model, images),
                "parameters": sum(parameter.numel() for parameter in each.model.parameters()),
                "latency": latency[each.name].median,
                "latency_p95": latency[each.name].p95,
                "memory": peak_memory(
                    forward_pass(each.model, images, self.precision), each.model, self.device
                ),
            }
            for each in self.configurations
        }

    def _conditions(self, images: Tensor) -> dict[str, Any]:
        return {
            "model": self.loaded.name,
            "weights": self.loaded.origin,
            "folder": self.files.folder,
            "protocol": "none" if self.loaded.is_random else self.labels.protocol,
            "neighbors": self.num_neighbors if self.labels.protocol == "neighbors" else None,
            "support": None if self.support is None else self.support.folder,
            "torch_device": str(self.device),
            "crop_pct": self.preprocessing.config["crop_pct"],
            **asdict(Conditions.of(images, self.precision, self.compiled)),
        }
