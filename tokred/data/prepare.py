"""The job that prepares one split of a data set."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tqdm import tqdm

from tokred.data import registry
from tokred.data.decoding import decode
from tokred.data.info import Row, TableInfo
from tokred.data.masks import encoded_mask
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
        ValueError: what the adapter expects is not there, nothing can be learned from it, or an object mask
            does not fit its image.
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
    else:
        rows = map(_with_encoded_mask, rows)
    if settings.has_masks:
        rows = _counting_masks(rows, info)
    write(output, info, _shown(rows, f"{name} {split}", total), code, settings.has_masks)
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


def _with_encoded_mask(row: Row) -> Row:
    """A generated image whose mask has been checked; ValueError where it does not fit the image."""
    if row.mask is None:
        return row
    return replace(row, mask=encoded_mask(row.mask, row.path, decode(row.data).size))


def _counting_masks(rows: Iterable[Row], info: TableInfo) -> Iterator[Row]:
    """The rows as they are; logs how many have a mask.

    Raises ValueError at their end where no image of a test split has one; training needs none.
    """
    where = f"data set {info.dataset!r}, split {info.split!r}"
    count = masked = 0
    for row in rows:
        count += 1
        masked += row.mask is not None
        yield row
    if not masked and info.split == "test":
        raise ValueError(f"{where}: expected object masks, found none of {count:,} images")
    log.info("%s: %d of %d images have an object mask", where, masked, count)


def _shown(rows: Iterable[Row], title: str, total: int | None) -> Iterable[Row]:
    """The rows with a progress bar where a person may see it."""
    return tqdm(rows, title, total, unit=" images", disable=None)
