"""Hashes of files and tensors, and seeds."""

from __future__ import annotations

from pathlib import Path

import torch

from tokred import fingerprint


def test_file(tmp_path: Path) -> None:
    for name, data in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(data)
    assert fingerprint.file(tmp_path / "a") == fingerprint.file(str(tmp_path / "b"))
    assert fingerprint.file(tmp_path / "a") != fingerprint.file(tmp_path / "c")


def test_tensors() -> None:
    first = {"a": torch.zeros(2), "b": torch.ones(2)}
    assert fingerprint.tensors(first) == fingerprint.tensors(dict(reversed(first.items())))
    assert fingerprint.tensors(first) != fingerprint.tensors({"a": torch.ones(2), "b": torch.zeros(2)})


def test_seeds_are_the_same_on_every_machine() -> None:
    assert fingerprint.seed("digits/train/0") == 6858221286916473801
    assert fingerprint.seed("", size=1) < 256
    assert len({fingerprint.seed(str(number)) for number in range(1000)}) == 1000
