"""Which modules of the package tests import, and in which of them the fast ones run a function.

A plugin of pytest for the option `--all-modules`: coverage by module, at the price of one set entry per call.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import pytest

PACKAGE = Path(__file__).parents[1] / "tokred"
#: Modules that run as programs alone, where this process does not see them, and the tests that start these.
ELSEWHERE = {
    "__main__.py": "tests/cli/test_app.py",
    "orchestration/fork_server.py": "tests/orchestration/test_job_runner.py",
    "runtime/__main__.py": "tests/runtime/test_distributed.py",
    "study/__main__.py": "tests/study/test_schema.py",
}


def modules_with_functions() -> dict[str, bool]:
    """Every module of the package by its path within, and whether it defines a function."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found[str(path.relative_to(PACKAGE))] = any(isinstance(node, ast.FunctionDef) for node in nodes)
    return found


def within(path: str | None) -> str | None:
    """A file's path within the package; None for other files."""
    return str(Path(path).relative_to(PACKAGE)) if path and Path(path).is_relative_to(PACKAGE) else None


def clear_caches(package: str) -> None:
    """Empty what `functools.cache` keeps for functions of a package's modules."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(f"{package}.")]
    for value in {id(value): value for module in modules for value in vars(module).values()}.values():
        if isinstance(value, functools._lru_cache_wrapper):
            value.cache_clear()


class Recorder:
    """Notes what runs in this process; of pytest-xdist's workers, the main process collects it."""

    def __init__(self) -> None:
        self._code: set[CodeType] = set()
        self._imported: set[str] = set()
        self._executed: set[str] = set()
        self._missing: list[str] = []
        self._file: Path | None = None

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self._code.add(frame.f_code)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Iterator[None]:
        """Tests are imported, and registries that they need are made by functions of their modules."""
        return (yield from self._noted())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Only fast tests count, also in a run of all tests, where a slow one may have filled a cache."""
        if item.get_closest_marker("fast") is None:
            return (yield)
        if item.path != self._file:
            self._file = item.path
            clear_caches("tests")
        return (yield from self._noted())

    def _noted(self) -> Iterator[None]:
        before = sys.getprofile()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            return (yield)
        finally:
            sys.setprofile(before)
            threading.setprofile(before)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """A worker of pytest-xdist has ended."""
        output = getattr(node, "workeroutput", {})
        self._imported |= set(output.get("imported", ()))
        self._executed |= set(output.get("executed", ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        files = {within(getattr(module, "__file__", None)) for module in list(sys.modules.values())}
        self._imported |= files - {None}
        # Bodies of modules and classes run when they are imported: only functions have fast locals.
        functions = [code for code in self._code if code.co_flags & inspect.CO_OPTIMIZED]
        self._executed |= {within(code.co_filename) for code in functions} - {None}
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output.update(imported=sorted(self._imported), executed=sorted(self._executed))
            return
        self._missing = [
            f"{name}: no {'fast test runs a function of it' if has_functions else 'test imports it'}"
            for name, has_functions in modules_with_functions().items()
            if name not in (self._executed if has_functions else self._imported) and name not in ELSEWHERE
        ]
        if self._missing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._missing:
            terminalreporter.section("modules that the tests of this run do not reach", red=True)
            for line in self._missing:
                terminalreporter.line(line)
