"""Hashes of files and tensors, and seeds from text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def file(path: str | Path) -> str:
    """Hash of the bytes of a file."""
    with Path(path).open("rb") as stored:
        return hashlib.file_digest(stored, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def seed(text: str, size: int = 8) -> int:
    """A seed below 256^size from text, equal on all machines and independent of the seeds of other texts.

    >>> seed("digits/train/0") == seed("digits/train/0") != seed("digits/train/1")
    True
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest())


def tensors(named: Mapping[str, Tensor]) -> str:
    """Hash of the names and values of tensors."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(named):
        digest.update(name.encode())
        digest.update(named[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
