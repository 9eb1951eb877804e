"""A study's results as tables, for your own analyses."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tokred.files import visible_files
from tokred.names import nearest
from tokred.run import RUN_COLUMNS, RUN_PATH, Run, canonical_rate
from tokred.tables import identity, parquet, schemas
from tokred.tables.lineage import codes, lineage, mixed, sentence
from tokred.tables.registry import TABLES, ResultTable


class Results:
    """The tables of one study; the first columns of every row identify its run.

    >>> study = load("default")  # doctest: +SKIP
    >>> study["scores"].groupby("method")["score"].mean()  # doctest: +SKIP

    Args:
        folder: folder of the study, such as results/default.

    Raises:
        FileNotFoundError: the folder does not exist, or has no tables.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        paths = {name: self.folder / _path(table) for name, table in TABLES.items()}
        self._paths = {name: path for name, path in paths.items() if path.exists()}
        for name in list(self._paths):
            if TABLES[name].instead_of:
                self._paths[TABLES[name].instead_of] = self._paths.pop(name)
        if not self._paths:
            raise FileNotFoundError(f"{self.folder}: no results of a study; run the study first")

    @property
    def names(self) -> list[str]:
        """Names of the tables that the study has: "scores", "patterns", "keep_rates" and so on."""
        return list(self._paths)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """A whole table as a data frame."""
        return self.table(name)

    def table(self, name: str, **runs: object) -> pd.DataFrame:
        """A table as a data frame, as `arrow`; text columns are plain strings."""
        table = self.arrow(name, **runs)
        frame = table.to_pandas()
        text = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
        return frame.astype(dict.fromkeys(text, "str"))

    def arrow(self, name: str, **runs: object) -> pa.Table:
        """A table, or its rows of some runs; only the files of these runs are read.

        Args:
            name: one of `names`.
            runs: values of the columns of a run, such as `method="topk"` or `keep_rate=0.5`; a list chooses
                several.

        Warns:
            UserWarning: the results were made by different code (see `code`).

        Raises:
            KeyError: the study has no such table.
            ValueError: a column that runs do not have, no rows of these runs, or a file that is damaged, is
                another table, or is of another run than its path says.
        """
        if name not in self._paths:
            known = ", ".join(self._paths)
            raise KeyError(
                f"{self.folder} has no table {name!r}{nearest(name, self._paths)}; it has: {known}"
            )
        wanted = {column: _texts(column, value) for column, value in runs.items()}
        path = self._paths[name]
        files = self._files(name)
        if TABLES[name].of_runs and path.is_dir():
            files = [file for file in files if _is_of(_run_of(file, path), wanted)]
        # Not `pyarrow.dataset`: it does not check that a file is undamaged, and its rows those of its run.
        parts = [_read(file, name) for file in files]
        self._warn_if_mixed(name, files)
        if not parts:
            raise ValueError(f"{path}: has no runs with {wanted}")
        table = pa.concat_tables(parts, promote_options="permissive")
        for column, values in wanted.items():
            if column not in table.schema.names:
                raise ValueError(f"table {name!r} has no column {column!r}")
            texts = table[column].cast(pa.string())
            table = table.filter(pc.is_in(texts, pa.array(values)))
        if not len(table):
            raise ValueError(f"{path}: has no runs with {wanted}")
        return table

    def code(self) -> pd.DataFrame:
        """Which code made the study's results: one row per file, stage and fingerprint.

        Columns: `file`, path below the study's folder; the columns of a run, empty for comparisons of several
        runs; `stage`, such as "train" or "train topk" (code that is specific to the method); `fingerprint` of
        the code (`tokred.orchestration.provenance`). A stage with several fingerprints was done by several
        versions of the code.
        """
        rows = []
        for name in self.names:
            if name != "scores" and TABLES[name].rule == TABLES["scores"].rule:
                continue  # written together with the scores
            for file in self._files(name):
                facts = schemas.metadata(file)
                run = facts.get("run", dict.fromkeys(RUN_COLUMNS))
                where = {"file": file.relative_to(self.folder).as_posix(), **run}
                rows += [
                    {**where, "stage": stage, "fingerprint": fingerprint}
                    for stage, fingerprints in codes(facts).items()
                    for fingerprint in fingerprints
                ]
        return pd.DataFrame(rows, columns=["file", *RUN_COLUMNS, "stage", "fingerprint"])

    def _files(self, name: str) -> list[Path]:
        path = self._paths[name]
        return [path] if path.is_file() else list(visible_files(path, ".parquet"))

    def _warn_if_mixed(self, name: str, files: Iterable[Path]) -> None:
        tables = lineage(files)
        if mixed(tables):
            warnings.warn(
                f"table {name!r} of {self.folder} mixes results of different code, {sentence(tables)}: "
                "`code()` lists them",
                stacklevel=2,
            )


def load(study: str = "default", root: str | Path = "results") -> Results:
    """The results of a study.

    Args:
        study: name of the study.
        root: folder with the results of all studies.

    Raises:
        FileNotFoundError: the study has no results there.
    """
    return Results(Path(root) / study)


def _path(table: ResultTable) -> str:
    """Path of a table's folder, or of its file if it has only one, below the study's folder."""
    return table.folder if table.slice else f"{table.folder}.parquet"


def _texts(column: str, value: object) -> list[str]:
    """Accepted values of a column of runs, as they are written in paths."""
    if column not in RUN_COLUMNS:
        raise ValueError(
            f"{column!r} is no column of runs{nearest(column, RUN_COLUMNS)}: {', '.join(RUN_COLUMNS)}"
        )
    values: Iterable[Any] = value if isinstance(value, (list, tuple, set)) else [value]
    return [canonical_rate(v) if column == "keep_rate" else str(v) for v in values]


def _run_of(path: Path, folder: Path) -> Run:
    """The run of a file, from its path below its table's folder."""
    run = Run.of_path(path, folder.name)
    if run is None or len(path.relative_to(folder).parts) != len(RUN_COLUMNS):
        raise ValueError(f"{path}: expected files {RUN_PATH}.parquet below {folder}, and no others")
    return run


def _is_of(run: Run, wanted: dict[str, list[str]]) -> bool:
    """Whether a run is among the wanted ones."""
    return all(str(getattr(run, column)) in values for column, values in wanted.items())


def _read(path: Path, name: str) -> pa.Table:
    """Rows of one file of a table, without its metadata; for a table of pairs, its axis is checked too."""
    table = TABLES[name]
    with parquet.opened(path) as file:
        facts = parquet.facts_of(file.schema_arrow, path)
        identity.check_kind(path, parquet.kind_of(file.schema_arrow), table.kind)
        if table.kind == "pairs":
            identity.check(path, facts, {"axis": name})
        rows = file.read()
    parquet.check_run(path, table.folder if table.of_runs else None, rows)
    return rows.replace_schema_metadata()
