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

import hashlib
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from tokred.orchestration.module_code import STATEMENTS, ModuleCode, kept_file, kept_modules, parse_module

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
#: Instead of a name: all definitions of a module.
_ALL = "*"
#: Instead of a module: a data file, by its path below the package.
_DATA = "(file)"
_TARGET = re.compile(r"tokred(\.\w+)+:\w+")
_FILE = re.compile(r"[\w.-]+\.\w+")


class Package:
    """Source code of the package, whose modules are parsed on demand.

    Args:
        root: folder of the package `tokred`.
        kept: file of modules that were parsed before (`module_code.kept_modules`), written if need be.
    """

    def __init__(self, root: str | Path, kept: str | Path | None = None) -> None:
        self.root = Path(root)
        self._modules: dict[str, ModuleCode | None] = {}
        if kept is not None:
            self._modules |= kept_modules(self.root, Path(kept))
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
        if STATEMENTS in module.definitions:
            yield (module_name, STATEMENTS)
        for used in module.definitions[name].names:
            yield from self._named(module_name, used)
        folder = self._folder(module_name)
        for text in module.definitions[name].texts:
            if _TARGET.fullmatch(text):
                yield self._locate(text)
            elif _FILE.fullmatch(text) and self._is_data(folder / text):
                yield (_DATA, (folder / text).relative_to(self.root).as_posix())

    def _is_data(self, file: Path) -> bool:
        return file.suffix != ".py" and file.is_relative_to(self.root) and file.is_file()

    def _named(self, module_name: str, dotted: str) -> Iterator[Location]:
        """Definitions that a name in a module's code refers to: of the module itself, or imported ones."""
        module = self._existing(module_name)
        first, _, rest = dotted.partition(".")
        if first in module.definitions:
            yield (module_name, first)
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
            yield from self._named(name, rest)
        else:
            yield (name, _ALL)

    def _existing(self, name: str) -> ModuleCode:
        """A module that the package is known to have."""
        module = self._module(name)
        assert module is not None, name
        return module

    def _module(self, name: str) -> ModuleCode | None:
        """A module of the package; None if it does not exist."""
        if name not in self._modules:
            base = self._base(name)
            possible = (base / "__init__.py", base.with_name(f"{base.name}.py"))
            file = next((file for file in possible if file.is_file()), None)
            parsed = None if file is None else parse_module(file.read_text(encoding="utf-8"), name)
            self._modules[name] = parsed
        return self._modules[name]

    def _folder(self, name: str) -> Path:
        """The folder of a module."""
        base = self._base(name)
        return base if base.is_dir() else base.parent

    def _base(self, name: str) -> Path:
        """The path of a module, without suffix."""
        return self.root.joinpath(*name.split(".")[1:])


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
def installed(keep: bool = False) -> Package:
    """The package that is running.

    Args:
        keep: whether its parsed modules are kept for the next process, in the user's cache.
    """
    return Package(Path(__file__).parents[1], kept_file() if keep else None)
