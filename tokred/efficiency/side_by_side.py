"""Models that see the same images in turn: their outputs, and the time of each pass.

The order of the models moves on with every batch, so that none is always the one that runs while images are
decoded, or on a machine that is still cold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tokred.efficiency.passes import Network, compiled_calls
from tokred.efficiency.timing import Times, synchronize
from tokred.runtime.device import autocast

#: On a CPU, images of the pass before the first one that counts; a GPU gets the whole batch.
_WARM_UP_ON_CPU = 2


@dataclass(frozen=True)
class Outputs:
    """What a model says about some images.

    Attributes:
        classes: (B,) class with the largest logit; empty without a classifier.
        features: (B, D) features that enter the classifier, in main memory; empty if they are not kept.
        cosine: (B,) similarity of the features to those of the first model.
        finite: (B,) whether all outputs are numbers.
        seconds: time of the pass; None if it was interrupted by a lack of memory.
    """

    classes: Tensor
    features: Tensor
    cosine: Tensor
    finite: Tensor
    seconds: float | None


class OutOfMemory(ValueError):
    """Not even one image fits into memory."""


@dataclass
class SideBySide:
    """Runs several models on the same images.

    Attributes:
        models: by name, in evaluation mode, on their device; the first is the one to compare with.
        device: where they are.
        precision: of matrix products and attention: "float32", "bfloat16" or "float16".
        batch_size: images per pass; halved when memory does not suffice.
        keep_features: whether features of all images are kept.
        compiled: whether models are compiled by `torch.compile`.
        notice: is told what users should know, such as a smaller batch.
        done: outputs of each model, batch by batch, of the images that all models have seen.
    """

    models: Mapping[str, nn.Module]
    device: torch.device
    precision: str = "float32"
    batch_size: int = 64
    keep_features: bool = False
    compiled: bool = False
    notice: Callable[[str], None] = print
    done: list[dict[str, Outputs]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._features: dict[str, Tensor] = {}
        heads: dict[str, Any] = {name: model.head for name, model in self.models.items()}
        self._hooks = [
            head.register_forward_pre_hook(partial(self._keep, name)) for name, head in heads.items()
        ]
        models = list(self.models.values())
        calls: list[Network] = compiled_calls(models) if self.compiled else [*models]
        self.calls = dict(zip(self.models, calls, strict=True))

    def release(self) -> None:
        """Let the models run without being listened to, so that none of their tensors is kept."""
        for hook in self._hooks:
            hook.remove()
        self._features.clear()

    def warm_up(self, images: Tensor) -> None:
        """One pass of each model that does not count.

        Args:
            images: (B, 3, height, width) of the first batch, on the device.
        """
        whole = self.compiled or self.device.type != "cpu"
        for name in self.models:
            self._outputs(name, images[: self.batch_size if whole else _WARM_UP_ON_CPU])

    def add(self, images: Tensor, progress: Callable[[int], None] = lambda count: None) -> None:
        """Pass images through all models.

        Args:
            images: (B, 3, height, width) on the device; B may be more than the present batch size.
            progress: is called with the number of images after each pass of a model.

        Raises:
            OutOfMemory: a model cannot take one image; what was done before is kept.
        """
        while len(images):
            batch = images[: self.batch_size]
            found: dict[str, Outputs] = {}
            for name in self._order():
                found[name] = self._outputs(name, batch)
                progress(len(batch))
            self.done.append(self._compared(found))  # at once: an interruption leaves all alike
            images = images[len(batch) :]

    @property
    def num_images(self) -> int:
        """Images that all models have seen."""
        return sum(len(next(iter(batch.values())).finite) for batch in self.done)

    def of(self, name: str, what: str) -> Tensor:
        """An attribute of a model's outputs for all images, in order."""
        return torch.cat([getattr(batch[name], what) for batch in self.done])

    def times(self) -> tuple[int, dict[str, Times]]:
        """Number of images of a pass, and the times of such passes, which are as many for every model.

        Passes of another size, such as the last one or those before memory ran out, do not count, unless
        there are no others.
        """
        timed = [batch for batch in self.done if all(found.seconds is not None for found in batch.values())]
        sizes = [len(next(iter(batch.values())).finite) for batch in timed]
        size = self.batch_size if self.batch_size in sizes else max(sizes, default=0)
        chosen = [batch for batch, count in zip(timed, sizes, strict=True) if count == size]
        return size, {
            name: Times(tuple(float(batch[name].seconds or 0) for batch in chosen)) for name in self.models
        }

    def _order(self) -> Iterator[str]:
        names, first = list(self.models), len(self.done) % len(self.models)
        yield from names[first:] + names[:first]

    def _keep(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._features[name] = inputs[0]

    def _outputs(self, name: str, images: Tensor) -> Outputs:
        """Outputs for images that fit, or are halved until they do; what is done is not done again."""
        parts, rest, halved = [], images, False
        while len(rest):
            batch = rest[: self.batch_size]
            try:
                parts.append(self._pass(name, batch))
            except torch.OutOfMemoryError as error:
                self._halve(name, len(batch), error)
                halved = True
                continue
            rest = rest[len(batch) :]
        if len(parts) == 1 and not halved:
            return parts[0]
        joined = {
            what: torch.cat([getattr(part, what) for part in parts])
            for what in ("classes", "features", "cosine", "finite")
        }
        return Outputs(**joined, seconds=None)

    def _pass(self, name: str, images: Tensor) -> Outputs:
        synchronize(self.device)
        start = time.perf_counter()
        with torch.inference_mode(), autocast(self.device, self.precision):
            logits = self.calls[name](images)
        synchronize(self.device)
        seconds = time.perf_counter() - start
        features = self._features.pop(name).float()
        finite = features.isfinite().all(1) & logits.isfinite().all(1)
        classifies = bool(self.models[name].num_classes)
        return Outputs(
            classes=logits.argmax(1).cpu() if classifies else torch.empty(0, dtype=torch.int64),
            features=features,
            cosine=torch.empty(0),
            finite=finite.cpu(),
            seconds=seconds,
        )

    def _compared(self, found: Mapping[str, Outputs]) -> dict[str, Outputs]:
        """The outputs with their similarity to those of the first model."""
        reference = found[next(iter(self.models))].features
        return {
            name: Outputs(
                classes=outputs.classes,
                features=outputs.features.cpu() if self.keep_features else torch.empty(0, 0),
                cosine=torch.nn.functional.cosine_similarity(outputs.features, reference, dim=1).cpu(),
                finite=outputs.finite,
                seconds=outputs.seconds,
            )
            for name, outputs in found.items()
        }

    def _halve(self, name: str, count: int, error: Exception) -> None:
        self._features.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if count == 1:
            raise OutOfMemory(f"{name}: not even one image fits into the memory of {self.device}") from error
        self.batch_size = count // 2
        self.notice(
            f"{name}: {count} images at a time do not fit into memory; going on with {self.batch_size}"
        )
