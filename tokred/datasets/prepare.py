"""The job that prepares one split of a data set."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from tokred.datasets import registry
from tokred.datasets.writing import write

log = logging.getLogger(__name__)


def prepare(adapter: str, name: str, split: str, options: Mapping[str, object], output: str) -> None:
    """Write the image table of a split.

    Args:
        adapter: name of the adapter.
        name: what the study calls the data set.
        split: "train" or "test".
        options: the adapter's options.
        output: path of the table.
    """
    spec = registry.get(adapter)
    info, rows = spec.load()(split, spec.check_options(options))
    write(output, replace(info, dataset=name), rows)
    log.info("%s: split %s of data set %s (%s)", output, split, name, adapter)
