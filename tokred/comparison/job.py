"""The workflow's job that makes result tables from the files of others.

A comparison is a function of the paths of its inputs by name, and of the arguments in its entry in
`tokred.tables.registry`; it returns rows. The metadata of every table have fingerprints of the code that made
it and its inputs, see `tokred.tables.lineage`.
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
        target: "module:function" of the comparison. It returns the rows of its table, or, if `outputs` has
            several tables, a sequence with the rows of each, in their order.
        outputs: path of each table, by its name in the registry.
        inputs: paths by the names of tables (or of other inputs, see the registry).
        arguments: further arguments of the comparison, by name.
        code: fingerprint of the code by stage, for the metadata of the tables.
    """
    own = [path for name, paths in inputs.items() if name not in FOREIGN for path in paths]
    made_by = lineage.inherited(own, code)
    module, _, name = target.partition(":")
    result = getattr(importlib.import_module(module), name)(inputs, **arguments)
    for (name, path), rows in zip(outputs.items(), result if len(outputs) > 1 else [result], strict=True):
        schema = TABLES[name].columns
        facts = {**made_by, "axis": name} if schema is schemas.PAIRS else made_by
        rows = list(rows)
        schemas.write_rows(path, rows, schema, facts)
        log.info("%s: %d rows", path, len(rows))
