"""Hashes of files and tensors, from which a result was made, and seeds from texts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def file(path: str | Path) -> str:
    """Hash of a file's bytes, read piece by piece."""
    with Path(path).open("rb") as stored:
        return hashlib.file_digest(stored, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def seed(text: str, size: int = 8) -> int:
    """A seed below 256^size for a text: the same on every machine, unrelated to those of other texts.

    >>> seed("digits/train/0") == seed("digits/train/0") != seed("digits/train/1")
    True
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest())


def tensors(named: Mapping[str, Tensor]) -> str:
    """Hash of tensors' names and values."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(named):
        digest.update(name.encode())
        digest.update(named[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
