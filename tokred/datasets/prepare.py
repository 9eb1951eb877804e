"""The job that prepares one split of a data set."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from tokred.datasets import registry
from tokred.datasets.accept import accepted
from tokred.datasets.info import Row, TableInfo
from tokred.datasets.options import FileOptions
from tokred.datasets.source import Census, Source
from tokred.datasets.writing import write
from tokred.files import remove_stale_parts

log = logging.getLogger(__name__)


def prepare(
    adapter: str, name: str, split: str, options: Mapping[str, object], output: str, threads: int = 1
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
    """
    remove_stale_parts(Path(output))  # now, not hours later: those of packed images may be large
    spec = registry.get(adapter)
    settings = spec.check_options(options)
    if isinstance(settings, FileOptions):
        settings = replace(settings, root=str(Path(settings.root).absolute()))
    info, rows = spec.load()(split, settings)
    info = replace(info, dataset=name)
    total = None
    if isinstance(rows, Source):
        total = _count(rows, info)
        rows = accepted(rows, info, settings, Path(output), threads)
    write(output, info, _shown(rows, f"{name} {split}", total))
    Path(output).with_suffix(".state.jsonl").unlink(missing_ok=True)
    log.info("%s: split %s of data set %s (%s)", output, split, name, adapter)


def _count(source: Source, info: TableInfo) -> int | None:
    """How many images there are; wrong numbers are found before hours of decoding where that costs little."""
    if not source.listed:
        return source.total
    census = Census(info)
    for _ in census.counting(source):
        pass
    census.check(source)
    return census.images


def _shown(rows: Iterable[Row], title: str, total: int | None) -> Iterable[Row]:
    """The rows with a progress bar where a person may see it."""
    return tqdm(rows, title, total, unit=" images", disable=None)
