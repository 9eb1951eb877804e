"""The job of the workflow that makes result tables: from files to files.

A comparison is a function that takes the paths of its inputs by name, and the arguments that its entry in
`tokred.tables.registry` gives; it returns rows. Every table says which code made it and what it was made
from, see `tokred.tables.lineage`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from types import MappingProxyType

from tokred.comparison.runs import Files
from tokred.tables import lineage, schemas
from tokred.tables.registry import FOREIGN, TABLES

log = logging.getLogger(__name__)


def make(
    target: str,
    outputs: Mapping[str, str],
    inputs: Files = MappingProxyType({}),
    arguments: Mapping[str, object] = MappingProxyType({}),
    code: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Call a comparison and write its rows.

    Args:
        target: "module:function" of the comparison. It returns the rows of its table; where `outputs` has
            several, the rows of each, in their order.
        outputs: path of each table, by its name in the registry.
        inputs: paths by the names of tables (or of other inputs, see the registry).
        arguments: further arguments of the comparison, by name.
        code: by stage, the fingerprint of the code that does it, stored with what is written.
    """
    own = [path for name, paths in inputs.items() if name not in FOREIGN for path in paths]
    made_by = lineage.inherited(own, code)
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)(inputs, **arguments)
    for (name, path), rows in zip(outputs.items(), found if len(outputs) > 1 else [found], strict=True):
        schema = TABLES[name].columns
        facts = {**made_by, "axis": name} if schema is schemas.PAIRS else made_by
        rows = list(rows)
        schemas.write_rows(path, rows, schema, facts)
        log.info("%s: %d rows", path, len(rows))
