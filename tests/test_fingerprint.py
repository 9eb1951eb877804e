"""Hashes of files and tensors."""

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
