"""Every reader of tokred's files, given a file that is missing, damaged, or another one than was asked for.

Each must say in one error of Python's own which file it is, and none may read it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

import tokred
from tests.small_models import small_vit
from tests.tables.files import (
    FACTS,
    RUN,
    make_history,
    make_images,
    make_lists,
    make_patterns,
    make_pictures,
    make_scores,
    make_weights,
)
from tests.training.vits import tiny_vit
from tokred.comparison import examples, features, runs
from tokred.comparison.runs import open_runs
from tokred.data.image_table import ImageTable, check_table
from tokred.explorer import build
from tokred.models.weights import load_weights, save_weights
from tokred.search import choice
from tokred.tables import identity, patterns, schemas
from tokred.training import checkpoint


@dataclass(frozen=True)
class Reader:
    """How a file is made, and what reads it; `suffix` is of the file's name."""

    make: Callable[[Path], None]
    read: Callable[[Path], object]
    suffix: str = ".parquet"


def make_state(path: Path) -> None:
    checkpoint.save(path, {"model.a": torch.arange(99.0)}, {"settings": "x", "epoch": 1})


def make_choice(path: Path) -> None:
    make_history(path.with_name("trial.parquet"))
    histories = [str(path.with_name("trial.parquet"))]
    choice.choose(["only"], False, {"histories": histories}, {"setting": str(path)})


def read_features(path: Path) -> object:
    (file,) = open_runs([str(path)])
    return features.accumulate_covariances([(file, runs.RunFile(f"{path}", file.run, file.facts))], 1)


def read_study(path: Path) -> object:
    return tokred.load(path.parents[5].name, path.parents[6])["scores"]


READERS = {
    "table": Reader(make_scores, lambda path: schemas.read(path, schemas.SCORES)),
    "table of a study": Reader(make_scores, read_study),
    "facts": Reader(make_scores, schemas.metadata),
    "patterns": Reader(make_patterns, patterns.read),
    "runs": Reader(make_patterns, lambda path: [file.image_ids for file in open_runs([str(path)])]),
    "features": Reader(lambda path: make_lists(path, "features", "cls_1"), read_features),
    "predictions": Reader(
        lambda path: make_lists(path, "predictions", "logits"), lambda path: build._logits(str(path), ["i3"])
    ),
    "first picture": Reader(make_pictures, lambda path: examples.first_picture(str(path))),
    "images": Reader(make_images, lambda path: list(map(ImageTable(path)._group, range(1)))),
    "split": Reader(make_images, lambda path: check_table(path, "shapes", "test")),
    "score of a trial": Reader(make_history, lambda path: choice.score(path, last=False)),
    "setting of a trial": Reader(make_history, choice.setting),
    "chosen setting": Reader(make_choice, choice.chosen_setting, ".json"),
    "weights": Reader(
        make_weights,
        lambda path: load_weights(small_vit(), path, whole=True, expected={"run": asdict(RUN)}),
        ".safetensors",
    ),
    "state": Reader(make_state, checkpoint.load, ".safetensors"),
}


def foreign(path: Path) -> None:
    """A file of somebody else's, in the right format."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"image_id": ["i0"], "label": [0]}), path)
    elif path.suffix == ".json":
        path.write_text("[1, 2]")
    else:
        save_file({"a": torch.zeros(9)}, path)


def of_another_kind(path: Path) -> None:
    """A file of tokred's with something else in it."""
    if path.suffix == ".parquet":
        schemas.write_rows(path, [], schemas.GRID, FACTS)
    elif path.suffix == ".json":
        path.write_text('{"settings": 3}')
    elif path.name.startswith("weights"):
        make_state(path)
    else:
        save_weights(tiny_vit(), path, {})


def of_another_version(path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]) -> None:
    monkeypatch.setattr(identity, "VERSION", identity.VERSION + 1)
    make(path)
    monkeypatch.undo()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("Grüße, " * 99, encoding="latin-1"),
    "folder": folder,
    "foreign": foreign,
    "another kind": of_another_kind,
}


def place(tmp_path: Path, name: str, folder: str = "scores") -> Path:
    reader = READERS[name]
    path = tmp_path / "results/study" / folder / f"{RUN.key}{reader.suffix}"
    if reader.suffix != ".parquet":
        path = tmp_path / f"{name.partition(' ')[0]}{reader.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    reader.make(path)
    return path


def refused(path: Path, name: str) -> str:
    """The message with which a reader refuses a file."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        READERS[name].read(path)
    # A study without a run's file is a smaller study.
    expected = ValueError if path.exists() or name == "table of a study" else FileNotFoundError
    assert type(caught.value) is expected
    assert str(path) in str(caught.value) or not path.exists()
    return str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_whole_files_are_read(name: str, tmp_path: Path) -> None:
    READERS[name].read(place(tmp_path, name))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", READERS)
def test_what_is_not_the_file_is_refused(name: str, damage: str, tmp_path: Path) -> None:
    if (name, damage) in {("facts", "another kind"), ("runs", "another kind")}:
        pytest.skip("reads files of every kind")
    path = place(tmp_path, name)
    DAMAGE[damage](path)
    refused(path, name)


@pytest.mark.parametrize("name", [name for name in READERS if READERS[name].suffix != ".json"])
def test_other_versions_of_the_format_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(tmp_path, name)
    of_another_version(path, monkeypatch, READERS[name].make)
    assert "found version 2 of tokred's file format, expected version 1" in refused(path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table", "patterns", "images", "weights", "state"])
def test_a_flipped_bit_is_found_or_changes_nothing(name: str, tmp_path: Path) -> None:
    path = place(tmp_path, name)
    whole, found = path.read_bytes(), 0
    expected = pickle.dumps(READERS[name].read(path))
    positions = range(0, len(whole), max(1, len(whole) // 100))
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= 0x40
        path.write_bytes(damaged)
        try:
            assert pickle.dumps(READERS[name].read(path)) == expected, position
        except (ValueError, FileNotFoundError):
            refused(path, name)
            found += 1
    assert found > len(positions) / 3
