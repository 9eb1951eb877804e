"""Fingerprints of the code that a job runs, which change if and only if that code changes.

Snakemake detects a changed parameter but not a changed module. The `params` of rules therefore contain a
fingerprint of all code that the job's function can reach, definition by definition (functions, classes,
constants), through names and imports across the package. Definitions that the job does not reach do not
count, nor does the module of a definition, so code can be added and moved without retraining a model.

Fingerprints are computed from the parsed code, without parts that cannot change a result:

- comments, formatting, docstrings, descriptions of pydantic fields, log messages;
- messages of built-in exceptions (`raise ValueError(...)`), as these end a job. Arguments of our own
  exceptions count: the table of claims shows the message of a claim that cannot be tested;
- annotations of arguments, return values and variables. Annotated fields of classes count, since dataclasses
  and pydantic interpret them.

Code that is reached through a string also counts if the string is literal: "tokred.module:function", or the
name of a data file in the folder of the module. Entries of a *registry* are not followed, so that a new entry
does not change fingerprints of existing jobs: callers of `Package.code` declare the entries whose code runs,
and omitting them is an error. Other fields of an entry that a job reads (labels, colors, capabilities) are
not code, and belong in the rule's `params` (see `facts`). Modules that are imported for their side effects
alone are not followed; the package has none. (Libraries for import graphs, such as grimp, know modules but no
definitions.)
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

#: Module of each registry. Its entries have `code`: the definitions that they name, as "module:name".
REGISTRIES = {
    "METHODS": "tokred.methods.registry",
    "METRICS": "tokred.metrics.registry",
    "ADAPTERS": "tokred.data.registry",
    "ARTIFACTS": "tokred.artifacts.registry",
    "TABLES": "tokred.tables.registry",
}
#: Module that starts jobs; it does not affect their results.
_EXCLUDED = "tokred.orchestration.job_runner"
#: A definition: its module and its name in the module.
Location = tuple[str, str]
#: Instead of a name: all definitions of a module; its statements that define nothing, such as calls.
_ALL, _STATEMENTS = "*", "(statements)"
#: Instead of a module: a data file, by its path below the package.
_DATA = "(file)"
_TARGET = re.compile(r"tokred(\.\w+)+:\w+")
_FILE = re.compile(r"[\w.-]+\.\w+")


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


class Package:
    """Source code of the package, whose modules are parsed on demand.

    Args:
        root: folder of the package `tokred`.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._modules: dict[str, _Module | None] = {}
        self._used: dict[Location, tuple[Location, ...]] = {}
        self._codes: dict[object, str] = {}

    def code(self, *targets: str, **entries: Iterable[str]) -> str:
        """Fingerprint of all definitions that can be reached from some.

        Args:
            targets: "module:name" of each definition.
            entries: by registry, names of the entries whose code runs; empty if only their other fields are
                read.

        Raises:
            ValueError: a target does not exist, or a registry is reached that is not in `entries`.
        """
        chosen = {registry: tuple(names) for registry, names in entries.items()}
        key = (targets, tuple(chosen.items()))
        if key not in self._codes:
            self._codes[key] = self._digest(self._reach(targets, chosen))
        return self._codes[key]

    def reached(self, *targets: str, **entries: Iterable[str]) -> dict[str, list[str]]:
        """Names of the definitions that the fingerprint `code` covers, by module."""
        names: dict[str, list[str]] = {}
        for module, name in sorted(self._reach(targets, entries)):
            names.setdefault(module, []).append(name)
        return names

    def _reach(self, targets: Iterable[str], entries: Mapping[str, Iterable[str]]) -> list[Location]:
        """All definitions that can be reached, each once, in an order that depends only on the code."""
        starts = [
            *targets,
            *(code for registry, names in entries.items() for code in _codes(registry, names)),
        ]
        pending = [self._locate(target) for target in reversed(starts)]
        reached: dict[Location, None] = {}
        while pending:
            location = pending.pop()
            if location in reached:
                continue
            module, name = location
            if REGISTRIES.get(name) == module:
                if name not in entries:
                    raise ValueError(
                        f"code of {', '.join(targets)}: it uses the registry {name}; expected names of "
                        "the entries whose code runs"
                    )
                pending.append(_class_of_entries(name))
                continue
            reached[location] = None
            pending.extend(reversed(self._uses(location)))
        return list(reached)

    def _digest(self, locations: Iterable[Location]) -> str:
        """Hash of definitions and of their references to each other, independent of their modules."""
        number = {location: index for index, location in enumerate(locations)}
        digest = hashlib.blake2b(digest_size=8)
        for location in number:
            used = [number.get(other, other[1]) for other in self._uses(location)]
            digest.update(f"{self._content(location)}\n{used}\n".encode())
        return digest.hexdigest()

    def _content(self, location: Location) -> str:
        module, name = location
        if module == _DATA:
            return hashlib.blake2b((self.root / name).read_bytes(), digest_size=8).hexdigest()
        return _ALL if name == _ALL else self._existing(module).definitions[name].code

    def _locate(self, target: str) -> Location:
        """The definition that a target names."""
        name, _, wanted = target.partition(":")
        module = self._module(name)
        if module is None or wanted not in module.definitions:
            raise ValueError(f"{target}: no such definition in {self.root}")
        return (name, wanted)

    def _uses(self, location: Location) -> tuple[Location, ...]:
        """The definitions that a definition uses, in order."""
        if location not in self._used:
            self._used[location] = tuple(dict.fromkeys(self._follow(*location)))
        return self._used[location]

    def _follow(self, module_name: str, name: str) -> Iterator[Location]:
        if module_name == _DATA:
            return
        module = self._existing(module_name)
        if name == _ALL:
            yield from ((module_name, own) for own in module.definitions)
            return
        if _STATEMENTS in module.definitions:
            yield (module_name, _STATEMENTS)
        for used in module.definitions[name].names:
            yield from self._named(module, used)
        for text in module.definitions[name].texts:
            if _TARGET.fullmatch(text):
                yield self._locate(text)
            elif _FILE.fullmatch(text) and self._is_data(module.folder / text):
                yield (_DATA, (module.folder / text).relative_to(self.root).as_posix())

    def _is_data(self, file: Path) -> bool:
        return file.suffix != ".py" and file.is_relative_to(self.root) and file.is_file()

    def _named(self, module: _Module, dotted: str) -> Iterator[Location]:
        """Definitions that a name in a module's code refers to: of the module itself, or imported ones."""
        first, _, rest = dotted.partition(".")
        if first in module.definitions:
            yield (module.name, first)
        for imported in module.imports.get(first, ()):
            yield from self._imported(f"{imported}.{rest}" if rest else imported)

    def _imported(self, dotted: str) -> Iterator[Location]:
        """Definition that a fully qualified name refers to, or all definitions if it refers to a module."""
        name, rest = dotted, ""
        while self._module(name) is None:
            name, _, last = name.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
        module, wanted = self._existing(name), rest.partition(".")[0]
        if name == _EXCLUDED or wanted.startswith("__"):
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
        """A module of the package; None if it does not exist."""
        if name not in self._modules:
            base = self.root.joinpath(*name.split(".")[1:])
            possible = [base / "__init__.py", base.with_name(f"{base.name}.py")]
            files = [file for file in possible if file.is_file()]
            parsed = [_module(name, file.parent, file.read_text(encoding="utf-8")) for file in files[:1]]
            self._modules[name] = parsed[0] if parsed else None
        return self._modules[name]


class _Module:
    """Definitions and imports of a module."""

    def __init__(self, name: str, folder: Path, text: str) -> None:
        self.name, self.folder = name, folder
        self._tree = ast.parse(text, name)

    @cached_property
    def imports(self) -> dict[str, list[str]]:
        """Qualified names in the package that each imported name refers to, in any scope of the module."""
        imported: dict[str, list[str]] = {}
        for node in _nodes(self._tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                raise ValueError(f"{self.name}: expected absolute imports, found a relative one")
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    # `import a.b` binds `a`.
                    path = alias.name if alias.asname else alias.name.partition(".")[0]
                    if isinstance(node, ast.ImportFrom):
                        path = f"{node.module}.{alias.name}"
                    if path.partition(".")[0] == "tokred":
                        imported.setdefault(alias.asname or path.rpartition(".")[2], []).append(path)
        return imported

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """Definition of each name of the module."""
        parts: dict[str, list[_NormalizedCode]] = {}
        for statement in self._tree.body:
            if not _has_no_effect(statement):
                code = _NormalizedCode(statement)
                for name in _bound([statement]) or [_STATEMENTS]:
                    parts.setdefault(name, []).append(code)
        return {
            name: Definition(
                " ".join(word for code in statements for word in code.words),
                tuple(dict.fromkeys(name for code in statements for name in code.names)),
                tuple(dict.fromkeys(text for code in statements for text in code.texts)),
            )
            for name, statements in parts.items()
        }


#: Parsed once for all packages with the same text of the module.
_module = cache(_Module)


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


def _entries(registry: str) -> Mapping[str, Any]:
    return getattr(importlib.import_module(REGISTRIES[registry]), registry)


def _codes(registry: str, names: Iterable[str]) -> list[str]:
    """Definitions that some entries of a registry name."""
    return [code for name in names for code in _entries(registry)[name].code]


def _class_of_entries(registry: str) -> Location:
    kind = type(next(iter(_entries(registry).values())))
    return (kind.__module__, kind.__name__)


def facts(entry: Any, without: Iterable[str] = ()) -> dict[str, object]:
    """Fields of a registry's entry other than its code, as plain values for a rule's `params`."""
    excluded = {"target", "options", *without}
    names = [field.name for field in fields(entry) if field.name not in excluded]
    values = {name: getattr(entry, name) for name in names}
    return {name: str(value) if isinstance(value, Enum) else value for name, value in values.items()}


@cache
def installed() -> Package:
    """The package that is running."""
    return Package(Path(__file__).parents[1])
