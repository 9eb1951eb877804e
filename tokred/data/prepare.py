"""The job that prepares one split of a data set."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tqdm import tqdm

from tokred.data import registry
from tokred.data.info import Row, TableInfo
from tokred.data.options import FileOptions
from tokred.data.source import Census, Source
from tokred.data.text import printable
from tokred.data.verify import accepted, check_unreadable, name_error
from tokred.data.writing import write
from tokred.files import remove_stale_parts

log = logging.getLogger(__name__)


def prepare(
    adapter: str,
    name: str,
    split: str,
    options: Mapping[str, object],
    output: str,
    threads: int = 1,
    code: Mapping[str, str] = MappingProxyType({}),
    for_training: bool = False,
    size: int | None = None,
) -> None:
    """Write the image table of a split.

    A job that was interrupted leaves a list of the images that it found readable beside the table; the next
    one does not decode them again.

    Args:
        adapter: name of the adapter.
        name: what the study calls the data set.
        split: "train" or "test".
        options: the adapter's options.
        output: path of the table.
        threads: how many images are read and decoded at a time.
        code: by stage, the fingerprint of the code that does it, stored with the table.
        for_training: whether models are to learn from the training split of a user's files: it must have two
            classes or more, and images of each. With several labels an image, one class is enough, and a
            class without images is only logged.
        size: height and width that every image of a user's files must have; None: any.

    Raises:
        ValueError: what the adapter expects is not there, or nothing can be learned from it.
    """
    remove_stale_parts(Path(output))  # now, not hours later: those of packed images may be large
    spec = registry.get(adapter)
    settings = spec.check_options(options)
    if isinstance(settings, FileOptions):
        settings = settings.model_copy(update={"root": str(Path(settings.root).absolute())})
    info, rows = spec.load()(split, settings)
    info = replace(info, dataset=name)
    total = None
    if isinstance(rows, Source):
        total = _count(rows, info, settings, for_training)
        rows = accepted(rows, info, settings, Path(output), threads, size)
        if for_training and split == "train":  # again: some images may have been left out
            census = Census(info)
            rows = census.learnable(census.counting(rows))
    write(output, info, _shown(rows, f"{name} {split}", total), code)
    Path(output).with_suffix(".state.jsonl").unlink(missing_ok=True)
    log.info("%s: split %s of data set %s (%s)", output, split, name, adapter)


def _count(source: Source, info: TableInfo, options: FileOptions, for_training: bool) -> int | None:
    """How many images there are; wrong numbers and names are found before hours of decoding if possible."""
    if not source.listed:
        return source.total
    census, unnamed = Census(info), []
    for row in census.counting(source):
        error = name_error(row)
        if error is not None:
            unnamed.append(f"{printable(row.path)}\t{error}")
    check_unreadable(unnamed, info, options)
    census.check(source)
    if for_training and info.split == "train":
        census.check_learnable()
    return census.images


def _shown(rows: Iterable[Row], title: str, total: int | None) -> Iterable[Row]:
    """The rows with a progress bar where a person may see it."""
    return tqdm(rows, title, total, unit=" images", disable=None)
