"""Example images of a data set, and the fate of their tokens (paper Figures 2 and 36-43)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

import numpy as np

from tokred import fingerprint
from tokred.comparison.pairs import TableRow
from tokred.comparison.runs import Files, RunFile, open_runs
from tokred.data.decoding import encode
from tokred.data.image_table import ImageTable, check_table
from tokred.data.resize import resize_center_crop
from tokred.tables import parquet, schemas
from tokred.tables.registry import TEST_IMAGES

#: Number of example pictures per data set; patterns are shown of the first.
PICTURES = 8


def choose_pictures(inputs: Files, dataset: str, size: int, crop_pct: float | None) -> Iterator[TableRow]:
    """Random images of a data set's test split, see `picture_rows`."""
    (path,) = inputs[TEST_IMAGES]
    check_table(path, dataset, "test")
    return picture_rows(ImageTable(path), dataset, size, crop_pct)


def show_examples(inputs: Files) -> Iterator[TableRow]:
    """The tokens of the first of the data set's pictures in every run, see `example_rows`."""
    (pictures,) = inputs["pictures"]
    return example_rows(open_runs(inputs["patterns"]), first_picture(pictures))


def picture_rows(
    table: ImageTable, dataset: str, size: int, crop_pct: float | None = None
) -> Iterator[TableRow]:
    """Random images of a table as rows of `schemas.PICTURES`; the choice depends only on the table's ids.

    Args:
        table: images of the test split.
        dataset: name of the data set in the study; part of the random seed.
        size, crop_pct: of the evaluation transform, see `tokred.data.resize`.
    """
    rng = np.random.default_rng(fingerprint.seed(f"{dataset}/examples"))
    chosen = rng.choice(len(table), size=min(PICTURES, len(table)), replace=False)
    for place, index in enumerate(chosen.tolist()):
        yield {
            "dataset": dataset,
            "place": place,
            "image_id": str(table.image_ids[index]),
            "label": ", ".join(_names(table, index)),
            "image": encode(resize_center_crop(table.image(index), size, crop_pct), "PNG"),
        }


def _names(table: ImageTable, index: int) -> list[str]:
    """Names of an image's classes."""
    labels = np.flatnonzero(table.labels[index]) if table.info.task == "multi" else [table.labels[index]]
    return [table.info.classes[label] for label in labels]


def example_rows(files: Iterable[RunFile], image_id: str) -> Iterator[TableRow]:
    """Fate of every token of one image in every run, as rows of `schemas.EXAMPLES`.

    Raises:
        ValueError: a run does not have the image, or has it more than once.
    """
    for file in files:
        indices = np.flatnonzero(file.image_ids.to_numpy() == image_id)
        if len(indices) != 1:
            raise ValueError(f"{file.path}: has image {image_id!r} {len(indices)} times, expected once")
        patterns, index = file.patterns, int(indices[0])
        identity = asdict(file.run) | {"image_id": image_id}
        for stage in range(1, file.num_stages + 1):
            kept = None if patterns.survived is None else patterns.kept(stage)[index]
            clusters = None if patterns.clusters is None else patterns.clusters[stage - 1][index]
            for token in range(file.num_tokens):
                yield identity | {
                    "stage": stage,
                    "token": token,
                    "kept": None if kept is None else bool(kept[token]),
                    "cluster": None if clusters is None else int(clusters[token]),
                }


def first_picture(path: str) -> str:
    """Id of the first image in a table of pictures."""
    table = parquet.table(path, schemas.PICTURES, {}).select(["place", "image_id"]).to_pylist()
    first = [row["image_id"] for row in table if row["place"] == 0]
    if len(first) != 1:
        raise ValueError(f"{path}: has {len(first)} pictures at place 0, expected one")
    return first[0]
