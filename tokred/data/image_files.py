"""Images of a folder for a model as it is: listed, decoded once in the background, and in batches.

Unlike data sets of a study (`tokred.data.registry`), the folder is not described, verified or converted
before.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from timm.data import create_transform, resolve_data_config
from torch import Tensor

from tokred.data import imagenet_archives
from tokred.data.decoding import decode
from tokred.data.folders import SUFFIXES, Walk, class_names, class_rows
from tokred.data.layout import contents
from tokred.schedules.timm_sizes import image_size_of

#: Unreadable images that a message lists.
_SHOWN = 5


@dataclass(frozen=True)
class ImageFiles:
    """Files of images, with labels where they are in one folder per class.

    Attributes:
        folder: where they are.
        paths: of each image.
        classes: names of the classes, sorted; empty if there are no labels.
        labels: index in `classes` of each image; empty if there are none.
    """

    folder: str
    paths: tuple[str, ...]
    classes: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def hint(self) -> str:
        """How these images would have labels; empty if they have, or if that is not known."""
        names = (os.path.basename(path) for path in self.paths)
        if self.labels or not all(imagenet_archives.is_validation_image(name) for name in names):
            return ""
        return f"ImageNet's validation images have labels if {imagenet_archives.DEVKIT} is beside them."

    def limited(self, count: int | None) -> ImageFiles:
        """At most so many images, evenly spread over the list, and thus over the classes."""
        if count is None or count >= len(self):
            return self
        chosen = [index * len(self) // count for index in range(count)]
        labels = tuple(self.labels[index] for index in chosen) if self.labels else ()
        return replace(self, paths=tuple(self.paths[index] for index in chosen), labels=labels)


def list_images(folder: str | Path, classes: Sequence[str] | None = None) -> ImageFiles:
    """The images of a folder: directly in it, without labels, or in one folder per class.

    ImageNet's validation images have labels if the development kit is in their folder or beside it.

    Args:
        classes: the classes to find; None for those that there are.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is a file, has no images, has images beside folders of them, or other classes.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder; expected images, or one folder per class")
    if not folder.is_dir():
        raise ValueError(f"{folder}: is a file, expected a folder of images, or of one folder per class")
    with os.scandir(folder) as iterator:
        entries = [entry for entry in iterator if entry.name[0] != "."]
    direct = sorted(e.path for e in entries if e.name.lower().endswith(SUFFIXES) and e.is_file())
    folders = any(entry.is_dir() for entry in entries)
    if direct and folders and len(list(Walk().files(folder, SUFFIXES))) > len(direct):
        raise ValueError(
            f"{folder}: expected images, or one folder per class, found both: {contents(folder)}"
        )
    if direct and classes is None:
        return _validation_images(folder, direct) or ImageFiles(str(folder), tuple(direct))
    if not folders:
        what = "one folder per class" if direct else f"images ({' '.join(SUFFIXES)}) or one folder per class"
        raise ValueError(f"{folder}: expected {what}, found {contents(folder)}")
    names = tuple(class_names(folder) if classes is None else classes)
    rows = list(class_rows(folder, names))
    return ImageFiles(
        str(folder), tuple(str(row.path) for row in rows), names, tuple(int(str(row.label)) for row in rows)
    )


def _validation_images(folder: Path, paths: Sequence[str]) -> ImageFiles | None:
    """ImageNet's validation images as they come, with labels; None for others, or without development kit."""
    places = (folder, folder.absolute().parent)
    kit = next((place for place in places if (place / imagenet_archives.DEVKIT).is_file()), None)
    names = [os.path.basename(path) for path in paths]
    if kit is None or not all(imagenet_archives.is_validation_image(name) for name in names):
        return None
    truth = imagenet_archives.validation_wnids(kit)
    classes = sorted(set(truth))
    index = {wnid: label for label, wnid in enumerate(classes)}
    labels = tuple(index[imagenet_archives.wnid_of(name, truth, folder)] for name in names)
    return ImageFiles(str(folder), tuple(paths), tuple(classes), labels)


@dataclass(frozen=True)
class Preprocessing:
    """From an image of any size to the input of a timm model, as its weights expect it.

    Attributes:
        config: timm's data configuration: size, crop, interpolation, mean and standard deviation.
    """

    config: dict[str, Any]

    @classmethod
    def of(cls, vit: Any, crop_pct: float | None = None) -> Preprocessing:
        """That of a model for its own image size.

        Args:
            crop_pct: fraction of the shorter side that the central crop shows; None for the model's.
        """
        has_size = getattr(vit, "patch_embed", None) is not None
        size = tuple(vit.patch_embed.img_size) if has_size else image_size_of(vit)
        asked = {"input_size": (3, *size)} | ({} if crop_pct is None else {"crop_pct": crop_pct})
        return cls(resolve_data_config(asked, model=vit))

    def pixels(self) -> Callable[[Any], Tensor]:
        """A function from an RGB image to its (3, height, width) 8-bit pixels, resized and cropped."""
        return create_transform(**self.config, is_training=False, normalize=False)

    def normalize(self, pixels: Tensor, device: torch.device) -> Tensor:
        """(B, 3, height, width) input of the model on a device, from 8-bit pixels."""
        mean, std = (
            torch.tensor(self.config[name], device=device).view(1, -1, 1, 1) for name in ("mean", "std")
        )
        return (pixels.to(device, non_blocking=True).float() / 255 - mean) / std


@dataclass(frozen=True)
class PixelBatch:
    """Decoded images.

    Attributes:
        index: positions of the images in the list of files.
        pixels: (B, 3, height, width) 8-bit.
    """

    index: tuple[int, ...]
    pixels: Tensor


class ImageReader:
    """Decodes images in threads, every image once.

    Args:
        files: what to read.
        pixels: from an RGB image to its pixels, see `Preprocessing.pixels`.
        workers: number of threads.
        skip_unreadable: whether images that cannot be decoded are left out.
        ahead: whether the next batches are decoded while one is in use. Where models run on the same
            processors, decoding between the batches is faster: a thread of a model that has to wait for its
            processor holds up all others.

    Attributes:
        unreadable: files that could not be decoded, with the reason.
    """

    def __init__(
        self,
        files: ImageFiles,
        pixels: Callable[[Any], Tensor],
        workers: int,
        skip_unreadable: bool = False,
        ahead: bool = True,
    ) -> None:
        self._files, self._pixels, self._workers, self._skip = files, pixels, workers, skip_unreadable
        self._ahead = ahead
        self.unreadable: list[tuple[str, str]] = []

    def batches(self, batch_size: int) -> Iterator[PixelBatch]:
        """All images in order; unreadable ones are left out if they may be skipped.

        Raises:
            ValueError: images cannot be read and may not be skipped (with all of these), or none can be read.
        """
        found: list[tuple[int, Tensor]] = []
        with ThreadPoolExecutor(self._workers, thread_name_prefix="images") as threads:
            try:
                for index, pixels in self._decoded(threads, batch_size):
                    found.append((index, pixels))
                    if len(found) == batch_size:
                        yield _batch(found)
                        found = []
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
        if found:
            yield _batch(found)
        if len(self.unreadable) == len(self._files):
            raise ValueError(self.problem())

    def problem(self) -> str:
        """How many images cannot be read, which, and why the first cannot."""
        listed = ", ".join(path for path, _ in self.unreadable[:_SHOWN])
        more = f" and {len(self.unreadable) - _SHOWN} more" if len(self.unreadable) > _SHOWN else ""
        return (
            f"{len(self.unreadable)} of {len(self._files)} images cannot be read: {listed}{more} "
            f"({self.unreadable[0][1]})"
        )

    def _decoded(self, threads: ThreadPoolExecutor, batch_size: int) -> Iterator[tuple[int, Tensor]]:
        waiting: deque[tuple[int, Future[Tensor]]] = deque()
        rest = iter(range(len(self._files)))
        most = 2 * batch_size if self._ahead else batch_size
        while True:
            if self._ahead or not waiting:
                for index in islice(rest, most - len(waiting)):
                    waiting.append((index, threads.submit(self._decode, index)))
            if not waiting:
                return
            index, future = waiting.popleft()
            try:
                pixels = future.result()
            except ValueError as error:
                self.unreadable.append((self._files.paths[index], str(error)))
                if not self._skip:
                    self._find_others(waiting, rest, threads)
                    raise ValueError(f"{self.problem()}; --skip-unreadable leaves them out") from None
                continue
            yield index, pixels

    def _find_others(
        self,
        waiting: deque[tuple[int, Future[Tensor]]],
        rest: Iterator[int],
        threads: ThreadPoolExecutor,
    ) -> None:
        """Decode all that is left, so that one message lists all unreadable images."""
        left = [index for index, _ in waiting] + list(rest)
        for index, reason in zip(left, threads.map(self._reason, left), strict=True):
            if reason:
                self.unreadable.append((self._files.paths[index], reason))

    def _decode(self, index: int) -> Tensor:
        return self._pixels(decode(self._files.paths[index]))

    def _reason(self, index: int) -> str:
        try:
            decode(self._files.paths[index])
        except ValueError as error:
            return str(error)
        return ""


def _batch(found: Sequence[tuple[int, Tensor]]) -> PixelBatch:
    return PixelBatch(tuple(index for index, _ in found), torch.stack([pixels for _, pixels in found]))
