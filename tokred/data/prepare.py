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
from tokred.data.source import LabelCounts, RowSource
from tokred.data.text import printable
from tokred.data.verify import check_unreadable, name_error, verified_rows
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

    An interrupted job leaves a verification journal next to the table, so that the next one does not decode
    the same images again.

    Args:
        adapter: name of the adapter.
        name: name of the data set in the study.
        split: "train" or "test".
        options: the adapter's options.
        output: path of the table.
        threads: number of images that are read and decoded concurrently.
        code: fingerprint of the code of each stage of the workflow, stored with the table.
        for_training: whether models are trained on the training split of a user's files: it must have two
            classes or more, and images of each. With several labels per image, one class is enough, and a
            class without images is only logged.
        size: height and width that every image of a user's files must have; None accepts any.

    Raises:
        ValueError: files that the adapter expects are missing, the split cannot be learned from, or an object
            mask does not fit its image.
    """
    remove_stale_parts(Path(output))  # early, since those of packed images may be large
    spec = registry.get(adapter)
    settings = spec.check_options(options)
    if isinstance(settings, FileOptions):
        settings = settings.model_copy(update={"root": str(Path(settings.root).absolute())})
    info, rows = spec.load()(split, settings)
    info = replace(info, dataset=name)
    total = None
    if isinstance(rows, RowSource):
        assert isinstance(settings, FileOptions), "an adapter that reads files"
        total = _count(rows, info, settings, for_training)
        rows = verified_rows(rows, info, settings, Path(output), threads, size)
        if for_training and split == "train":  # again, since unreadable images are left out
            counts = LabelCounts(info)
            rows = counts.checked_learnable(counts.counted(rows))
    else:
        rows = map(_with_encoded_mask, rows)
    if settings.has_masks:
        rows = _counting_masks(rows, info)
    write(output, info, _shown(rows, f"{name} {split}", total), code, settings.has_masks)
    Path(output).with_suffix(".state.jsonl").unlink(missing_ok=True)
    log.info("%s: split %s of data set %s (%s)", output, split, name, adapter)


def _count(source: RowSource, info: TableInfo, options: FileOptions, for_training: bool) -> int | None:
    """Number of images, None if unknown; where possible, errors are raised before hours of decoding."""
    if not source.listed:
        return source.total
    counts, unnamed = LabelCounts(info), []
    for row in counts.counted(source):
        error = name_error(row)
        if error is not None:
            unnamed.append(f"{printable(row.path)}\t{error}")
    check_unreadable(unnamed, info, options)
    counts.check(source)
    if for_training and info.split == "train":
        counts.check_learnable()
    return counts.images


def _with_encoded_mask(row: Row) -> Row:
    """A generated image with its checked mask; ValueError if the mask does not fit the image."""
    if row.mask is None:
        return row
    return replace(
        row, mask=encoded_mask(row.mask, row.path, decode(row.path if row.data is None else row.data).size)
    )


def _counting_masks(rows: Iterable[Row], info: TableInfo) -> Iterator[Row]:
    """Pass rows through, and log how many have a mask.

    Raises ValueError after the last row if no image of a test split has one; training needs none.
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
    """The rows with a progress bar if the output is a terminal."""
    return tqdm(rows, title, total, unit=" images", disable=None)
