"""Modules of the package as `tokred.orchestration.provenance` reads them: imports and normalized code.

Parsing takes a second, a third of Snakemake's time for a small study. Therefore the workflow keeps what it
has parsed, by hashes of the modules' texts.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

from tokred.files import atomic_path

log = logging.getLogger(__name__)

#: Modules that the file keeps: those of some versions, copies and clones of the package.
_MOST_KEPT = 1000
#: Instead of a name: statements of a module that define nothing, such as calls.
STATEMENTS = "(statements)"


@dataclass(frozen=True)
class Definition:
    """The code that defines a name of a module.

    Attributes:
        code: normalized code, without parts that cannot change a result.
        names: dotted names that it reads, other than local variables, in order.
        texts: string constants, in order.
    """

    code: str
    names: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class ModuleCode:
    """What a module imports and defines.

    Attributes:
        imports: by imported name, in any scope of the module, the qualified names in the package that it has.
        definitions: by name.
    """

    imports: dict[str, list[str]]
    definitions: dict[str, Definition]


@cache  # packages of tests share most modules
def parse_module(text: str, name: str) -> ModuleCode:
    """Parse the text of a module.

    Raises:
        ValueError: it has relative imports.
        SyntaxError: it is not Python.
    """
    tree = ast.parse(text, name)
    return ModuleCode(_imports(tree, name), _definitions(tree))


def kept_file() -> Path:
    """Where parsed modules are kept: in the user's cache, as Snakemake's copies of rules are."""
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_folder / "tokred" / "code.json"


def kept_modules(root: Path, file: Path) -> dict[str, ModuleCode]:
    """All modules of a package, by name, of which only those are parsed whose text is not known from before.

    Args:
        root: folder of the package.
        file: the modules that are known, by hashes of their texts; others are added.
    """
    files = {_name(path.relative_to(root)): path for path in sorted(root.rglob("*.py"))}
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    keys = {name: _hash(text) for name, text in texts.items()}
    known = _read(file)
    modules = {name: known.get(key) or parse_module(texts[name], name) for name, key in keys.items()}
    if not known.keys() >= set(keys.values()):
        before = known if len(known) < _MOST_KEPT else {}
        _write(file, before | {keys[name]: module for name, module in modules.items()})
    return modules


def _name(path: Path) -> str:
    """The name of a module by its path in the package."""
    parts = path.with_suffix("").parts
    return ".".join(["tokred", *(parts[:-1] if parts[-1] == "__init__" else parts)])


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _format() -> str:
    """What is stored is the result of this module."""
    return _hash(Path(__file__).read_text(encoding="utf-8"))


def _read(file: Path) -> dict[str, ModuleCode]:
    """Modules by key; none if there is no file, or if it is of another version or damaged."""
    try:
        stored = json.loads(file.read_bytes())
        if stored["format"] != _format():
            return {}
        return {
            key: ModuleCode(imports, {name: Definition(*parts) for name, parts in definitions.items()})
            for key, (imports, definitions) in stored["modules"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: cannot be used, and is written anew: %s: %s", file, type(error).__name__, error)
        return {}


def _write(file: Path, modules: Mapping[str, ModuleCode]) -> None:
    """Keep modules for the next start, which works without as well."""
    stored = {
        key: (module.imports, {name: (d.code, d.names, d.texts) for name, d in module.definitions.items()})
        for key, module in modules.items()
    }
    try:
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps({"format": _format(), "modules": stored}), encoding="utf-8")
    except OSError as error:
        log.warning("%s: not written (%s): each start parses the package's code", file, error)


def _imports(tree: ast.Module, module: str) -> dict[str, list[str]]:
    imported: dict[str, list[str]] = {}
    for node in _nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ValueError(f"{module}: expected absolute imports, found a relative one")
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                # `import a.b` binds `a`.
                path = alias.name if alias.asname else alias.name.partition(".")[0]
                if isinstance(node, ast.ImportFrom):
                    path = f"{node.module}.{alias.name}"
                if path.partition(".")[0] == "tokred":
                    imported.setdefault(alias.asname or path.rpartition(".")[2], []).append(path)
    return imported


def _definitions(tree: ast.Module) -> dict[str, Definition]:
    parts: dict[str, list[_NormalizedCode]] = {}
    for statement in tree.body:
        if not _has_no_effect(statement):
            code = _NormalizedCode(statement)
            for name in _bound([statement]) or [STATEMENTS]:
                parts.setdefault(name, []).append(code)
    return {
        name: Definition(
            " ".join(word for code in statements for word in code.words),
            tuple(dict.fromkeys(name for code in statements for name in code.names)),
            tuple(dict.fromkeys(text for code in statements for text in code.texts)),
        )
        for name, statements in parts.items()
    }


class _NormalizedCode:
    """Normalized code of a statement, as words that are the same in every version of Python."""

    def __init__(self, statement: ast.stmt) -> None:
        self.words: list[str] = []
        self.names: list[str] = []
        self.texts: list[str] = []
        self._own: list[set[str]] = []
        self._add("", statement)

    def _add(self, field: str, value: object) -> None:
        if isinstance(value, ast.AST):
            self._add_node(field, value)
        elif isinstance(value, list):
            if any(not _has_no_effect(part) for part in value):
                self.words.append(f"{field}[")
                for part in value:
                    if part is None:  # a placeholder, as for an argument without a default
                        self.words.append("None")
                    elif not _has_no_effect(part):
                        self._add("", part)
                self.words.append("]")
        elif value is not None:
            self.words.append(f"{field}={value!r}")

    def _add_node(self, field: str, node: ast.AST) -> None:
        dotted = _dotted(node)
        if dotted is not None:
            self.words.append(f"{field}:{dotted}")
            first = dotted.partition(".")[0]
            if _is_read(node) and not any(first in names for names in self._own):
                self.names.append(dotted)
            return
        if isinstance(node, ast.Constant):
            self.words.append(f"{field}={node.value!r}")
            if isinstance(node.value, str):
                self.texts.append(node.value)
            return
        node = _reduced(node)
        self.words.append(f"{field}:{type(node).__name__}(")
        for name, value in ast.iter_fields(node):
            if name in _IGNORED:
                continue
            if isinstance(node, _FUNCTIONS) and name == "body":
                self._own.append(_variables(node))
                self._add(name, value)
                self._own.pop()
            else:
                self._add(name, value)
        self.words.append(")")


#: Fields of nodes that do not change results: annotations, or implied by other fields.
_IGNORED = {"returns", "ctx", "kind", "simple", "type_comment", "type_ignores", "type_params"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: Expressions with local variables.
_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
_LOGS = {f"log.{level}" for level in ("debug", "info", "warning", "error", "exception")}
_BUILTINS = set(vars(builtins))


class _Field(ast.AnnAssign):
    """An annotated field of a class: its annotation counts."""


def _reduced(node: ast.AST) -> ast.AST:
    """The node, or a simpler one that leads to the same results."""
    if isinstance(node, ast.arg):
        return ast.arg(arg=node.arg)
    if isinstance(node, ast.ClassDef):
        body = [_Field(**dict(ast.iter_fields(s))) if type(s) is ast.AnnAssign else s for s in node.body]
        return ast.ClassDef(**{**dict(ast.iter_fields(node)), "body": body})
    if type(node) is ast.AnnAssign and node.value is not None:
        return ast.Assign(targets=[node.target], value=node.value)
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _dotted(node.exc.func) in _BUILTINS:
        return ast.Raise(exc=node.exc.func, cause=node.cause)
    if isinstance(node, ast.Call) and _dotted(node.func) == "Field":
        kept = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return ast.Call(func=node.func, args=node.args, keywords=kept)
    return node


def _has_no_effect(node: object) -> bool:
    """Whether a statement cannot change a result. (Imports are followed where their names are used.)"""
    if type(node) is ast.AnnAssign:
        return node.value is None
    if isinstance(node, ast.If):
        return _is_for_types(node) and not node.orelse
    if isinstance(node, ast.Expr):
        called = isinstance(node.value, ast.Call) and _dotted(node.value.func) in _LOGS
        return called or isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass))


def _is_for_types(node: ast.AST) -> TypeGuard[ast.If]:
    """Whether the node is `if TYPE_CHECKING`."""
    return isinstance(node, ast.If) and _dotted(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _dotted(node: ast.AST) -> str | None:
    """Dotted name of a name or of its attributes; None for other expressions."""
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return None
    before = _dotted(node.value)
    return None if before is None else f"{before}.{node.attr}"


def _is_read(dotted: ast.AST) -> bool:
    """Whether the first part of a dotted name is read, as opposed to assigned."""
    while isinstance(dotted, ast.Attribute):
        dotted = dotted.value
    return isinstance(dotted, ast.Name) and isinstance(dotted.ctx, ast.Load)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes except those under `if TYPE_CHECKING`."""
    yield tree
    for child in tree.orelse if _is_for_types(tree) else ast.iter_child_nodes(tree):
        yield from _nodes(child)


def _bound(statements: Iterable[ast.AST]) -> list[str]:
    """Names that statements bind in their own scope, except by imports."""
    names: dict[str, None] = {}
    pending = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, _DEFINITIONS):
            names[node.name] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names[node.id] = None
        elif not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return list(names)


def _variables(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Names of a function's arguments and local variables, which hide names of the module."""
    args = function.args
    arguments = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    names = {argument.arg for argument in arguments if argument is not None}
    if not isinstance(function, ast.Lambda):
        names |= set(_bound(function.body))
    of_module = [name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names]
    return names - set(of_module)
