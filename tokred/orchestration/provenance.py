"""What code a job runs: a fingerprint that changes when that code changes, and only then.

Snakemake notices a changed parameter but not a changed module. Rules therefore have among their `params` the
fingerprint of the code behind them: everything that the job's function can reach, definition by definition
(a function, a class, a constant), through names and imports over all of the package. A definition in the same
module that the job does not reach does not count, and neither does the place of a definition, so code can be
added and moved without a model being trained again.

What counts is the parsed code, without what cannot change a result:

- comments, formatting, docstrings, descriptions of pydantic fields, log messages;
- the text of Python's own errors (`raise ValueError(...)`): they end a job. Arguments of our own exceptions
  count: the text of a claim that cannot be tested is what the table of claims shows;
- annotations of arguments, results and variables. Annotated fields of classes count, since dataclasses and
  pydantic make something of them.

What code reaches by text, not by name, counts too where the text shows it: "tokred.module:function", and the
name of a file that lies beside the module. What is looked up in a *registry* does not show, so that a new
entry does not change what was there before: `Package.code` must be told which entries' code runs, and refuses
to guess. What a job reads of an entry itself (labels, colors, capabilities) is not code and belongs into the
rule's `params`: see `facts`. (Libraries of import graphs, such as grimp, know modules but no definitions.) A
module that is imported for what its import does, and of which
nothing is used, does not show either; there is none.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeGuard

#: The module of each registry. Its entries have `code`: the definitions that they name, as "module:name".
REGISTRIES = {
    "METHODS": "tokred.methods.registry",
    "METRICS": "tokred.metrics.registry",
    "ADAPTERS": "tokred.data.registry",
    "ARTIFACTS": "tokred.artifacts.registry",
    "TABLES": "tokred.tables.registry",
}
#: Starts jobs, and has no part in what they do.
_APART = "tokred.orchestration.job_runner"
#: A definition: the module and the name in it.
Place = tuple[str, str]
#: In place of a name: all definitions of a module, and the statements that define nothing, such as calls.
_ALL, _REST = "*", "(statements)"
#: In place of a module: a file of data, by its path below the package.
_DATA = "(file)"
_TARGET = re.compile(r"tokred(\.\w+)+:\w+")
_FILE = re.compile(r"[\w.-]+\.\w+")


@dataclass(frozen=True)
class Definition:
    """What a name of a module stands for.

    Attributes:
        code: without what cannot change a result.
        names: with dots, that are read in it and are none of its own variables, in order.
        texts: constants, in order.
    """

    code: str
    names: tuple[str, ...]
    texts: tuple[str, ...]


class Package:
    """The source of the package, parsed module by module as it is needed.

    Args:
        root: folder of the package `tokred`.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._modules: dict[str, _Module | None] = {}
        self._used: dict[Place, tuple[Place, ...]] = {}
        self._codes: dict[object, str] = {}

    def code(self, *targets: str, **entries: Iterable[str]) -> str:
        """Fingerprint of what some definitions can reach.

        Args:
            targets: "module:name" of each.
            entries: by registry, the names of those entries whose code runs; empty where only their facts are
                read.

        Raises:
            ValueError: there is no such target; a registry is reached that is not among `entries`.
        """
        chosen = {registry: tuple(names) for registry, names in entries.items()}
        key = (targets, tuple(chosen.items()))
        if key not in self._codes:
            self._codes[key] = self._digest(self._reach(targets, chosen))
        return self._codes[key]

    def reached(self, *targets: str, **entries: Iterable[str]) -> dict[str, list[str]]:
        """What `code` is the fingerprint of: names of definitions by module."""
        found: dict[str, list[str]] = {}
        for module, name in sorted(self._reach(targets, entries)):
            found.setdefault(module, []).append(name)
        return found

    def _reach(self, targets: Iterable[str], entries: Mapping[str, Iterable[str]]) -> list[Place]:
        """All that can be reached, each once, in an order that follows from the code alone."""
        starts = [
            *targets,
            *(code for registry, names in entries.items() for code in _codes(registry, names)),
        ]
        pending = [self._place(target) for target in reversed(starts)]
        reached: dict[Place, None] = {}
        while pending:
            place = pending.pop()
            if place in reached:
                continue
            module, name = place
            if REGISTRIES.get(name) == module:
                if name not in entries:
                    raise ValueError(
                        f"code of {', '.join(targets)}: looks into {name}; expected to be told which of its "
                        "entries' code runs"
                    )
                pending.append(_class_of_entries(name))
                continue
            reached[place] = None
            pending.extend(reversed(self._uses(place)))
        return list(reached)

    def _digest(self, places: Iterable[Place]) -> str:
        """Hash of definitions, and of which of them each one uses, wherever they are."""
        number = {place: index for index, place in enumerate(places)}
        digest = hashlib.blake2b(digest_size=8)
        for place in number:
            used = [number.get(other, other[1]) for other in self._uses(place)]
            digest.update(f"{self._content(place)}\n{used}\n".encode())
        return digest.hexdigest()

    def _content(self, place: Place) -> str:
        module, name = place
        if module == _DATA:
            return hashlib.blake2b((self.root / name).read_bytes(), digest_size=8).hexdigest()
        return _ALL if name == _ALL else self._existing(module).definitions[name].code

    def _place(self, target: str) -> Place:
        """The definition that a target names."""
        name, _, wanted = target.partition(":")
        module = self._module(name)
        if module is None or wanted not in module.definitions:
            raise ValueError(f"{target}: there is no such definition in {self.root}")
        return (name, wanted)

    def _uses(self, place: Place) -> tuple[Place, ...]:
        """The definitions that one uses, in order."""
        if place not in self._used:
            self._used[place] = tuple(dict.fromkeys(self._follow(*place)))
        return self._used[place]

    def _follow(self, module_name: str, name: str) -> Iterator[Place]:
        if module_name == _DATA:
            return
        module = self._existing(module_name)
        if name == _ALL:
            yield from ((module_name, own) for own in module.definitions)
            return
        if _REST in module.definitions:
            yield (module_name, _REST)
        for used in module.definitions[name].names:
            yield from self._named(module, used)
        for text in module.definitions[name].texts:
            if _TARGET.fullmatch(text):
                yield self._place(text)
            elif _FILE.fullmatch(text) and self._is_data(module.folder / text):
                yield (_DATA, (module.folder / text).relative_to(self.root).as_posix())

    def _is_data(self, file: Path) -> bool:
        return file.suffix != ".py" and file.is_relative_to(self.root) and file.is_file()

    def _named(self, module: _Module, dotted: str) -> Iterator[Place]:
        """What a name in a module's code stands for: a definition of its own, or something imported."""
        first, _, rest = dotted.partition(".")
        if first in module.definitions:
            yield (module.name, first)
        for imported in module.imports.get(first, ()):
            yield from self._imported(f"{imported}.{rest}" if rest else imported)

    def _imported(self, dotted: str) -> Iterator[Place]:
        """The definition that a name with all its modules stands for, or all definitions of a module."""
        name, rest = dotted, ""
        while self._module(name) is None:
            name, _, last = name.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
        module, wanted = self._existing(name), rest.partition(".")[0]
        if name == _APART or wanted.startswith("__"):
            return
        if wanted in module.definitions or wanted in module.imports:
            yield from self._named(module, rest)
        else:
            yield (name, _ALL)

    def _existing(self, name: str) -> _Module:
        """A module that the package is known to have."""
        module = self._module(name)
        assert module is not None, name
        return module

    def _module(self, name: str) -> _Module | None:
        """A module of the package; None where there is none of that name."""
        if name not in self._modules:
            base = self.root.joinpath(*name.split(".")[1:])
            possible = [base / "__init__.py", base.with_name(f"{base.name}.py")]
            found = [file for file in possible if file.is_file()]
            parsed = [_module(name, file.parent, file.read_text(encoding="utf-8")) for file in found[:1]]
            self._modules[name] = parsed[0] if parsed else None
        return self._modules[name]


class _Module:
    """The definitions of a module, and what is imported into it."""

    def __init__(self, name: str, folder: Path, text: str) -> None:
        self.name, self.folder = name, folder
        self._tree = ast.parse(text, name)

    @cached_property
    def imports(self) -> dict[str, list[str]]:
        """By name, what of the package it stands for in some scope of the module."""
        found: dict[str, list[str]] = {}
        for node in _nodes(self._tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                raise ValueError(f"{self.name}: expected imports by full name, found a relative one")
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    # `import a.b` makes `a` known.
                    path = alias.name if alias.asname else alias.name.partition(".")[0]
                    if isinstance(node, ast.ImportFrom):
                        path = f"{node.module}.{alias.name}"
                    if path.partition(".")[0] == "tokred":
                        found.setdefault(alias.asname or path.rpartition(".")[2], []).append(path)
        return found

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """What each name that the module defines stands for."""
        parts: dict[str, list[_Essence]] = {}
        for statement in self._tree.body:
            if not _is_silent(statement):
                essence = _Essence(statement)
                for name in _bound([statement]) or [_REST]:
                    parts.setdefault(name, []).append(essence)
        return {
            name: Definition(
                " ".join(word for essence in essences for word in essence.words),
                tuple(dict.fromkeys(name for essence in essences for name in essence.names)),
                tuple(dict.fromkeys(text for essence in essences for text in essence.texts)),
            )
            for name, essences in parts.items()
        }


#: Parsed once, for all packages that have the same text there.
_module = cache(_Module)


class _Essence:
    """A statement without what cannot change a result, in words that every version of Python makes alike."""

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
            if any(not _is_silent(part) for part in value):
                self.words.append(f"{field}[")
                for part in value:
                    if part is None:  # holds a place, such as that of an argument without a default
                        self.words.append("None")
                    elif not _is_silent(part):
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


#: Fields of nodes that do not change what is computed: for readers, or clear from their place.
_IGNORED = {"returns", "ctx", "kind", "simple", "type_comment", "type_ignores", "type_params"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
#: Expressions that have variables of their own.
_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
_LOGS = {f"log.{level}" for level in ("debug", "info", "warning", "error", "exception")}
_BUILTINS = set(vars(builtins))


class _Field(ast.AnnAssign):
    """An annotated field of a class: its annotation counts."""


def _reduced(node: ast.AST) -> ast.AST:
    """The node, or a plainer one that leads to the same results."""
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


def _is_silent(node: object) -> bool:
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
    """Whether the node is a condition that only holds for type checkers."""
    return isinstance(node, ast.If) and _dotted(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _dotted(node: ast.AST) -> str | None:
    """A name, or an attribute of one at any depth, as text."""
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return None
    before = _dotted(node.value)
    return None if before is None else f"{before}.{node.attr}"


def _is_read(dotted: ast.AST) -> bool:
    """Whether the name that a dotted name begins with is read here, not given a value."""
    while isinstance(dotted, ast.Attribute):
        dotted = dotted.value
    return isinstance(dotted, ast.Name) and isinstance(dotted.ctx, ast.Load)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    yield tree
    for child in tree.orelse if _is_for_types(tree) else ast.iter_child_nodes(tree):
        yield from _nodes(child)


def _bound(statements: Iterable[ast.AST]) -> list[str]:
    """The names that statements give a value in their own scope; imports are no values."""
    found: dict[str, None] = {}
    pending = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, _DEFINITIONS):
            found[node.name] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
        elif not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return list(found)


def _variables(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Names that stand for a function's own variables, whatever the module calls so."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    names = {argument.arg for argument in arguments if argument is not None}
    if not isinstance(function, ast.Lambda):
        names |= set(_bound(function.body))
    of_module = [name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names]
    return names - set(of_module)


def _entries(registry: str) -> Mapping[str, Any]:
    return getattr(importlib.import_module(REGISTRIES[registry]), registry)


def _codes(registry: str, names: Iterable[str]) -> list[str]:
    """The definitions that some entries of a registry name."""
    return [code for name in names for code in _entries(registry)[name].code]


def _class_of_entries(registry: str) -> Place:
    kind = type(next(iter(_entries(registry).values())))
    return (kind.__module__, kind.__name__)


def facts(entry: Any, without: Iterable[str] = ()) -> dict[str, object]:
    """What a registry says of an entry but for its code, as plain values for a rule's `params`."""
    left_out = {"target", "options", *without}
    names = [field.name for field in fields(entry) if field.name not in left_out]
    values = {name: getattr(entry, name) for name in names}
    return {name: str(value) if isinstance(value, Enum) else value for name, value in values.items()}


@cache
def installed() -> Package:
    """The package that runs."""
    return Package(Path(__file__).parents[1])
