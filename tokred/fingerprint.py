"""Hashes of the code that a job runs, so that results of different code never mix silently.

Snakemake notices a changed script but not a changed module that the script imports. Rules therefore carry
a fingerprint of the modules behind them among their `params`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import tokred

if TYPE_CHECKING:
    from torch import Tensor

_ROOT = Path(tokred.__file__).parent
#: Left out: a new line in a registry must not rerun what was there before. What a job takes from a registry
#: (options, capabilities) is among its other parameters, and the code that a line names is passed to `code`.
#: So are the settings of training that `tokred.published.settings` resolves.
_REGISTRIES = {
    "tokred.methods.registry",
    "tokred.datasets.registry",
    "tokred.artifacts.registry",
    "tokred.published.settings",
}


def code(*modules: str) -> str:
    """Hash of the named tokred modules and of all tokred modules that they import, at any distance."""
    reached: set[str] = set()
    pending = [module for module in modules if module.startswith("tokred")]
    while pending:
        module = pending.pop()
        if module not in reached and module not in _REGISTRIES:
            reached.add(module)
            pending.extend(_imports(module))
    digest = hashlib.blake2b(digest_size=8)
    for module in sorted(reached):
        digest.update(_path(module).read_bytes())
    return digest.hexdigest()


def file(path: str | Path) -> str:
    """Hash of a file's bytes, read piece by piece."""
    with Path(path).open("rb") as stored:
        return hashlib.file_digest(stored, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def tensors(named: Mapping[str, Tensor]) -> str:
    """Hash of tensors' names and values."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(named):
        digest.update(name.encode())
        digest.update(named[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _path(module: str) -> Path:
    base = _ROOT.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@cache
def _imports(module: str) -> tuple[str, ...]:
    """tokred modules that a module imports anywhere in its code."""
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    return tuple(name for node in ast.walk(tree) for name in _named(node) if _path(name).exists())


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.startswith("tokred."))
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tokred":
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
