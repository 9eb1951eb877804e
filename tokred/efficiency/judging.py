"""What reduced models lose: their outputs on the same images beside those of the unreduced model.

Three protocols judge them, as far as images and model allow. Without labels, a reduced model should say the
same as the unreduced one. With labels that a classifier knows, accuracy counts. With other labels, or without
a classifier, nearest neighbors of the features do (`tokred.evaluation.neighbors`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import Tensor

from tokred.efficiency.side_by_side import SideBySide
from tokred.evaluation import neighbors
from tokred.evaluation.paired import loss_of_accuracy
from tokred.evaluation.scores import proportion_std_error
from tokred.models.reduced import ReducedModel
from tokred.statistics.intervals import NORMAL

PROTOCOLS = ("auto", "head", "neighbors")
#: Columns that say what a model lost: percent, and points of it.
_QUALITY = (
    "accuracy",
    "accuracy_half_width",
    "loss",
    "loss_half_width",
    "agreement",
    "cosine",
    "not_finite",
)


@dataclass(frozen=True)
class Configuration:
    """A method with its schedule.

    Attributes:
        method: its name; "none" for the unreduced model.
        keep_rate: canonical keep rate; empty if the schedule has none.
        model: the reduced model.
    """

    method: str
    keep_rate: str
    model: ReducedModel

    @property
    def name(self) -> str:
        """Unique text, for messages and as a key."""
        return f"{self.method} {self.keep_rate}".strip()


@dataclass(frozen=True)
class Labels:
    """Labels of images, and how they are compared with the model.

    Attributes:
        protocol: "none", "head" or "neighbors".
        classes: (n,) class of each image: an output of the classifier, or of `num_classes` others.
        num_classes: number of classes of the images.
        reason: why neighbors judge instead of the classifier; empty if nobody need wonder.
    """

    protocol: str = "none"
    classes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    num_classes: int = 0
    reason: str = ""


def match_labels(protocol: str, labels: Sequence[int], names: Sequence[str], vit: Any) -> Labels:
    """How labels are compared with a model.

    Args:
        protocol: one of `PROTOCOLS`; "auto" takes the classifier if the labels fit it.
        labels: index in `names` of each image; empty if there are none.
        names: folders of the classes, sorted.
        vit: the model.

    Raises:
        ValueError: there are no labels for the protocol, or they do not fit the classifier.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"--protocol {protocol!r}: expected {', '.join(PROTOCOLS)}")
    if not names:
        if protocol != "auto":
            raise ValueError(f"--protocol {protocol}: expected one folder per class, found images alone")
        return Labels()
    classes = np.asarray(labels, np.int64)
    if protocol != "neighbors":
        try:
            outputs = _outputs_of(names, vit)
            return Labels("head", outputs[classes], len(names))
        except ValueError as error:
            if protocol == "head":
                raise ValueError(f"--protocol head: {error}") from None
            return Labels("neighbors", classes, len(names), str(error))
    return Labels("neighbors", classes, len(names))


def _outputs_of(names: Sequence[str], vit: Any) -> NDArray[np.int64]:
    """The classifier's output for each class; ValueError if there is none."""
    if not vit.num_classes:
        raise ValueError("the model has no classifier")
    subset = infer_imagenet_subset(vit)
    known = {} if subset is None else {n: i for i, n in enumerate(ImageNetInfo(subset).label_names())}
    if all(name in known for name in names):
        return np.array([known[name] for name in names], np.int64)
    if len(names) == vit.num_classes:
        return np.arange(len(names))
    raise ValueError(
        f"the model's classifier has {vit.num_classes} outputs, and the images have {len(names)} classes "
        f"such as {names[0]!r}; expected as many folders, or names that are WordNet ids of ImageNet's classes"
    )


@dataclass
class Judge:
    """Turns outputs of all models into rows of a table.

    Attributes:
        configurations: the unreduced model first.
        runs: their outputs.
        labels: of the images that were read, in order.
        num_neighbors: neighbors that vote.
        speed_only: whether the weights are random, so that outputs mean nothing.
        support: features of other images by configuration, and their classes; None to leave one out.
    """

    configurations: Sequence[Configuration]
    runs: SideBySide
    labels: Labels
    num_neighbors: int = 20
    speed_only: bool = False
    support: tuple[Mapping[str, Tensor], Tensor] | None = None

    def rows(self, index: Sequence[int], costs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each configuration.

        Args:
            index: positions of the images that were read, among the labels.
            costs: further columns by name of the configuration.
        """
        count = self.runs.num_images
        labels = (
            self.labels.classes[np.asarray(index[:count], np.int64)] if len(self.labels.classes) else None
        )
        classes = {each.name: self._classes(each, labels) for each in self.configurations}
        size, times = self.runs.times()
        unreduced = self.configurations[0].name
        rows = []
        for each in self.configurations:
            row: dict[str, Any] = {
                "method": each.method,
                "keep_rate": float(each.keep_rate) if each.keep_rate else None,
                "tokens": [reducer.stage.budget for reducer in each.model._stages()],
                "images": count,
            }
            row |= self._quality(each, classes, unreduced, labels)
            row |= _speed(each.name, unreduced, size, times)
            rows.append(row | dict(costs.get(each.name, {})))
        return rows

    def _classes(self, each: Configuration, labels: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        """(n,) class that a configuration gives each image; None if it gives none."""
        if self.speed_only or not self.runs.num_images:
            return None
        if self.labels.protocol != "neighbors":
            found = self.runs.of(each.name, "classes").numpy()
            return found if len(found) else None
        assert labels is not None, "neighbors vote with labels"
        features, classes, queries = self.runs.of(each.name, "features"), torch.from_numpy(labels), None
        if self.support is not None:
            queries, features, classes = features, self.support[0][each.name], self.support[1]
        device, num_classes = self.runs.device, self.labels.num_classes
        queries = None if queries is None else queries.to(device)
        return (
            neighbors.classify(features.to(device), classes, num_classes, self.num_neighbors, queries)
            .cpu()
            .numpy()
        )

    def _quality(
        self,
        each: Configuration,
        classes: Mapping[str, NDArray[np.int64] | None],
        unreduced: str,
        labels: NDArray[np.int64] | None,
    ) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(_QUALITY)
        if self.speed_only or not self.runs.num_images:
            return row
        row["cosine"] = float(self.runs.of(each.name, "cosine").mean())
        row["not_finite"] = int((~self.runs.of(each.name, "finite")).sum())
        ours, theirs = classes[each.name], classes[unreduced]
        if ours is None or theirs is None:
            return row
        row["agreement"] = float(100 * (ours == theirs).mean())
        if labels is not None:
            correct, before = ours == labels, theirs == labels
            row["accuracy"] = float(100 * correct.mean())
            row["accuracy_half_width"] = NORMAL * proportion_std_error(row["accuracy"], len(labels))
            if each.name != unreduced:
                row["loss"], row["loss_half_width"] = loss_of_accuracy(before, correct)
        return row


def _speed(name: str, unreduced: str, size: int, times: Mapping[str, Any]) -> dict[str, Any]:
    """Throughput of passes in turn, and the speed-up with its interquartile range over batches."""
    columns = ("images_per_second", "speedup", "speedup_low", "speedup_high", "batch_size", "batches")
    if not times[name].seconds:
        return dict.fromkeys(columns)
    gain = times[name].speedup_over(times[unreduced])
    values = (size / times[name].median, gain.median, gain.low, gain.high, size, len(times[name].seconds))
    return dict(zip(columns, values, strict=True))
