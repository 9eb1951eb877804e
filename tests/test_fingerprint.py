"""The hash of the code behind a job changes with what the job runs, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tokred import fingerprint

Change = Callable[[str], None]


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Change]:
    """Changes a file of a copy of the package, which takes the place of the package."""
    root = tmp_path / "tokred"
    skipped = shutil.ignore_patterns("__pycache__", "shipped_weights")
    shutil.copytree(fingerprint._ROOT, root, ignore=skipped)
    monkeypatch.setattr(fingerprint, "_ROOT", root)
    fingerprint._imports.cache_clear()

    def apply(file: str, text: str = "\n# changed\n") -> None:
        with (root / file).open("a") as stored:
            stored.write(text)
        fingerprint._imports.cache_clear()

    yield apply
    fingerprint._imports.cache_clear()


def test_copy_has_the_hash_of_the_package(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.code("tokred.training.job")
    assert before == fingerprint.code("tokred.training.job")
    monkeypatch.undo()
    fingerprint._imports.cache_clear()
    assert fingerprint.code("tokred.training.job") == before


@pytest.mark.parametrize(
    "file",
    [
        "training/job.py",
        "tables.py",
        "files.py",  # jobs -> tables -> files
        "vit.py",
        "methods/base.py",
        "config/__init__.py",
        "config/training.py",
        "training/scores.py",
    ],
)
def test_modules_at_any_distance_count(change: Change, file: str) -> None:
    before = fingerprint.code("tokred.training.job")
    change(file)
    assert fingerprint.code("tokred.training.job") != before


@pytest.mark.parametrize(
    "file",
    [
        "methods/registry.py",
        "datasets/registry.py",
        "artifacts/registry.py",
        "artifacts/main_text.py",
        "methods/topk.py",
        "datasets/scenes.py",
        "artifacts/figure1.py",
        "metrics/emd.py",
    ],
)
def test_registries_and_what_they_name_do_not_count(change: Change, file: str) -> None:
    before = fingerprint.code("tokred.training.job", "tokred.datasets.prepare", "tokred.artifacts.render")
    change(file)
    assert (
        fingerprint.code("tokred.training.job", "tokred.datasets.prepare", "tokred.artifacts.render")
        == before
    )


def test_a_methods_module_counts_where_it_is_passed(change: Change) -> None:
    topk, evit = (
        ("tokred.training.job", "tokred.methods.topk"),
        ("tokred.training.job", "tokred.methods.evit"),
    )
    before = fingerprint.code(*topk), fingerprint.code(*evit)
    assert before[0] != before[1]
    change("methods/topk.py")
    assert fingerprint.code(*topk) != before[0]
    assert fingerprint.code(*evit) == before[1]


def test_imports_of_passed_modules_count(change: Change) -> None:
    names = ("tokred.methods.dpcknn", "tokred.methods.topk")
    before = [fingerprint.code(name) for name in names]
    change("methods/distance.py")
    after = [fingerprint.code(name) for name in names]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_new_imports_are_followed(change: Change) -> None:
    change("methods/topk.py", "\n\ndef _late():\n    import tokred.metrics.emd\n")
    before = fingerprint.code("tokred.methods.topk")
    change("metrics/emd.py")
    assert fingerprint.code("tokred.methods.topk") != before


def test_order_repetition_and_foreign_modules_do_not_matter(change: Change) -> None:
    first = fingerprint.code("tokred.tables", "tokred.trace")
    assert fingerprint.code("tokred.trace", "numpy", "tokred.tables", "tokred.trace") == first
    assert fingerprint.code("tokred.trace") != first


def test_file(tmp_path: Path) -> None:
    for name, data in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(data)
    assert fingerprint.file(tmp_path / "a") == fingerprint.file(str(tmp_path / "b"))
    assert fingerprint.file(tmp_path / "a") != fingerprint.file(tmp_path / "c")
