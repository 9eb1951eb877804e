"""Safetensors files with identifying metadata and a checksum over tensors and metadata.

The header has one JSON object under the key "tokred": facts about the contents, and under "format" the kind
and version of the file and its checksum. There is a single key, because safetensors writes several in
arbitrary order, and equal results must be equal bytes. Files from elsewhere, such as timm's weights, have no
format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tokred.files import atomic_path
from tokred.tables import identity


def save(path: str | Path, kind: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write tensors and facts (JSON-like) atomically.

    Args:
        kind: kind of file that is stored in its metadata, such as "weights".
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    named = {"kind": kind, "version": identity.VERSION, "checksum": _checksum(stored, facts)}
    header = {"tokred": json.dumps({**facts, "format": named}, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(stored, temporary, metadata=header)


def load(path: str | Path, kind: str, foreign: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, and its facts.

    Args:
        kind: the kind of file that is expected.
        foreign: whether to accept files without a format, which tokred did not write.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read, is damaged, or is of another kind or version.
    """
    tensors, header = _read(path, kind)
    try:
        facts = json.loads(header.get("tokred", "{}"))
        named = facts.pop("format", None)
        if named is None and foreign:
            return tensors, facts
        identity.check_format(path, named, kind)
        checksum = named["checksum"]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: its metadata are damaged ({error}); {identity.REDO}") from error
    if checksum != _checksum(tensors, facts):
        raise ValueError(f"{path}: is damaged: its values do not match its checksum; {identity.REDO}")
    return tensors, facts


def _read(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
            return tensors, dict(stored.metadata() or {})
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected {kind} (safetensors)") from None
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        if Path(path).is_dir():
            raise ValueError(f"{path}: is a folder, expected {kind} (a safetensors file)") from None
        raise ValueError(
            f"{path}: not a safetensors file, or a damaged one: {error}; expected {kind}"
        ) from error


def _checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> str:
    """Hash of names, types, shapes and values of tensors, and of the facts."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
