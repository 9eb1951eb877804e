"""Runs and their files: identity is read from the files' metadata, never from their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from tokred.methods.registry import METHODS, Method
from tokred.metrics.chance import image_seeds, permute_tokens
from tokred.metrics.sets import PackedSets, pack_survivors
from tokred.run import Run
from tokred.schedules.budget import token_budget
from tokred.tables import parquet, patterns
from tokred.tables.patterns import Patterns

#: Paths of each input of a comparison.
Files = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class RunFile:
    """A table of one run.

    Attributes:
        path: path of the file.
        run: the run that it is of.
        facts: its metadata.
        parts: members of `patterns.PARTS` to read.
    """

    path: str
    run: Run
    facts: Mapping[str, Any]
    parts: tuple[str, ...] = patterns.PARTS

    @property
    def method(self) -> Method:
        """The registry's entry of the run's method."""
        return METHODS[self.run.method]

    @cached_property
    def patterns(self) -> Patterns:
        """The run's patterns, read once."""
        return patterns.read(self.path, self.parts)

    @cached_property
    def kept_sets(self) -> list[PackedSets]:
        """Tokens kept at each stage."""
        survived = self.patterns.survived
        if survived is None:
            raise ValueError(f"{self.path}: has no kept tokens")
        return [pack_survivors(survived, stage) for stage in range(1, self.num_stages + 1)]

    @property
    def clusters(self) -> list[NDArray[Any]]:
        """(n, P) clusters at each stage; ValueError for a method without clusters."""
        if self.patterns.clusters is None:
            raise ValueError(f"{self.path}: has no clusters")
        return self.patterns.clusters

    @property
    def partitions(self) -> list[NDArray[Any]]:
        """(n, P) clusters at each stage, where the dropped tokens of an image are one more cluster."""
        return [patterns.with_dropped(labels) for labels in self.clusters]

    @cached_property
    def permuted_partitions(self) -> list[NDArray[Any]]:
        """Partitions at each stage with the tokens of every image permuted at random.

        The permutation depends only on the run and the id of the image.
        """
        seeds = image_seeds(self.run.seed_for("chance level"), self.image_ids.to_pylist())
        return permute_tokens(self.partitions, seeds)

    @cached_property
    def image_ids(self) -> pa.ChunkedArray:
        """(n,) ids of the images, in order."""
        with parquet.opened(self.path, columns=["image_id"]) as stored:
            return stored.read(["image_id"])["image_id"]

    @property
    def num_stages(self) -> int:
        """Number of reduction stages."""
        return len(self.locations)

    @property
    def locations(self) -> list[int]:
        """The blocks that have a reduction stage, counted from 0."""
        return list(self.facts["locations"])

    def budget(self, stage: int) -> int:
        """Number of tokens that the run's schedule leaves at a stage, counted from 1."""
        kept = self.facts.get("kept")  # of runs with a schedule of their own
        if kept is None:
            return token_budget(self.num_tokens, self.run.keep_rate, stage)
        return int(kept[stage - 1])

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of input tokens."""
        rows, columns = self.facts["grid"]
        return rows, columns

    @property
    def num_tokens(self) -> int:
        """P, tokens of the input grid."""
        rows, columns = self.grid
        return rows * columns


def open_runs(paths: Iterable[str]) -> list[RunFile]:
    """The runs of some files, sorted by identity.

    Raises:
        FileNotFoundError, ValueError: a file cannot be read, see `tokred.tables.parquet.opened`.
        ValueError: the metadata of a file name no run, or another run than its path in a study; or two files
            are of the same run.
    """
    files = []
    for path in paths:
        with parquet.opened(path) as stored:
            kind, facts = parquet.kind_of(stored.schema_arrow), parquet.facts_of(stored.schema_arrow, path)
        if "run" not in facts:
            raise ValueError(f"{path}: its metadata names no run")
        run = Run(**facts["run"])
        expected = Run.of_path(path, kind) if kind else None
        if expected is not None and expected != run:
            raise ValueError(f"{path}: is of run {run.key}, expected {expected.key}")
        files.append(RunFile(str(path), run, facts))
    files.sort(key=lambda file: file.run)
    for first, second in pairwise(files):
        if first.run == second.run:
            raise ValueError(f"{first.path} and {second.path} are both of run {first.run.key}")
    return files


def groups(files: Iterable[RunFile], *fields: str, parts: Iterable[str]) -> Iterator[list[RunFile]]:
    """Group runs by some fields of their identity.

    The patterns of a run are read once, and released with its group, so that memory holds one group.

    Args:
        files: the runs.
        fields: fields of `Run` in which the runs of a group agree.
        parts: members of `patterns.PARTS` to read.
    """

    def key(file: RunFile) -> tuple[object, ...]:
        return tuple(getattr(file.run, name) for name in fields)

    for _, group in groupby(sorted(files, key=key), key):
        yield [replace(file, parts=tuple(parts)) for file in group]


def same_images(first: RunFile, second: RunFile) -> None:
    """Raises ValueError unless two runs have the same images in the same order."""
    if not first.image_ids.equals(second.image_ids):
        raise ValueError(f"{first.path} and {second.path} are of different images: extract both again")


def pair(first: Run, second: Run) -> dict[str, object]:
    """Identity columns of a row that compares two runs."""
    return asdict(first) | {f"other_{name}": value for name, value in asdict(second).items()}


def statistics(values: NDArray[Any]) -> dict[str, object]:
    """Mean and standard deviation over images, and their number."""
    return {"mean": float(values.mean()), "std": float(values.std()), "n": len(values)}
