"""Conventions that no linter knows: of tests, and of where a method may be named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import group_of
from tokred.methods.registry import METHODS
from tokred.run import UNREDUCED

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
#: Calls that make, or reset, a source of random numbers.
GENERATORS = {"default_rng", "Generator", "RandomState", "Random", "manual_seed", "seed"}
#: Methods whose names are words that mean other things, too: only their classes count.
WORDS = {"random", "uniform"}
#: Files of the core that may name a method, each with the reason.
NAMING = {
    "tokred/artifacts/registry.py": "the paper's figures, of which some show one method",
    "tokred/cli/show.py": "what it shows by default: pruning, merging, merging with centers",
    "tokred/comparison/anchors.py": "the methods that the paper compares all others with",
    "tokred/published/__init__.py": "sources of numbers are named after the method that they introduce",
    **dict.fromkeys(
        (
            *(
                f"tokred/schedules/{name}.py"
                for name in ("__init__", "diffrate_file", "matched", "shapes", "text")
            ),
            "tokred/study/schedules.py",
        ),
        "a schedule has the name of the method whose lists it takes",
    ),
    **dict.fromkeys(
        (
            f"tokred/claims/{name}.py"
            for name in (
                *("agreement", "averages", "backbones", "keep_rates"),
                *("performance", "single_methods", "single_patterns"),
            )
        ),
        "claims of the paper about single methods",
    ),
}


def modules_imported(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, also within functions, with the names taken from it as submodules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.Lambda)):
            yield child
            yield from outside_functions(child)


def generators_kept(tree: ast.Module) -> list[int]:
    """Lines on which a module makes a random generator and keeps it, or seeds one for good."""
    nodes = list(outside_functions(tree))
    values = [n.value for n in nodes if isinstance(n, (ast.Assign, ast.AnnAssign, ast.Expr, ast.NamedExpr))]
    calls = [value for value in values if isinstance(value, ast.Call)]
    names = [(call, getattr(call.func, "attr", getattr(call.func, "id", ""))) for call in calls]
    return [call.lineno for call, name in names if name in GENERATORS]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_module_is_imported(path: Path) -> None:
    """What tests share is in a conftest.py or in a module without tests."""
    imported = modules_imported(ast.parse(path.read_text()))
    assert [name for name in imported if re.search(r"(^|\.)test_\w+", name)] == []


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_random_generator_outlives_a_test(path: Path) -> None:
    """Otherwise the numbers of a test would depend on which tests ran before it."""
    assert generators_kept(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import numpy as np\nRNG = np.random.default_rng(3)", [2]),
        ("class A:\n    rng: object = default_rng(0)", [2]),
        ("if True:\n    torch.manual_seed(0)", [2]),
        ("X = np.random.default_rng(3).integers(0, 9, 3)", []),
        ("def f():\n    rng = np.random.default_rng(3)", []),
    ],
)
def test_kept_generators_are_found(text: str, lines: list[int]) -> None:
    assert generators_kept(ast.parse(text)) == lines


def docstrings(tree: ast.Module) -> set[ast.AST]:
    """String constants that are documentation."""
    found = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                found.add(statement.value)
    return found


def named_in(path: Path) -> set[str]:
    """The methods that a file's code names; comments and docstrings may give examples.

    By key or label in a text, by class or by import; `values.topk(3)` is PyTorch's.
    """
    if path.suffix != ".py":
        return named_by(path.read_text())
    tree = ast.parse(path.read_text())
    left_out, found = docstrings(tree), set()
    classes = {method.target.partition(":")[2]: name for name, method in METHODS.items() if method.target}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in left_out:
            found |= named_by(node.value)
        elif isinstance(node, (ast.Name, ast.Attribute)):
            found |= {
                classes[name] for name in {getattr(node, "id", ""), getattr(node, "attr", "")} & {*classes}
            }
    return found | named_by(" ".join(modules_imported(tree)))


def named_by(text: str) -> set[str]:
    """The methods of which a text has the key, the label or the class as a word."""
    words = set(re.findall(r"[\w-]+", text)) - {UNREDUCED}
    return {
        name
        for name, method in METHODS.items()
        if words
        & {method.target.partition(":")[2], *({name, method.plain_label} if name not in WORDS else {})}
        and name != UNREDUCED
    }


CORE = sorted(
    path
    for folder, pattern in (("tokred", "*.py"), ("rules", "*.smk"), ("workflow/scripts", "*.py"))
    for path in (ROOT / folder).rglob(pattern)
    if not path.is_relative_to(ROOT / "tokred/methods")
)


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_names_no_method(path: Path) -> None:
    """A method is its own file and one entry of the registry; exceptions are listed with their reasons."""
    allowed = str(path.relative_to(ROOT)) in NAMING
    assert bool(named_in(path)) == allowed, f"names {sorted(named_in(path))}"


@pytest.mark.parametrize("method", [name for name in METHODS if name != UNREDUCED])
def test_methods_know_nothing_of_each_other(method: str) -> None:
    module = METHODS[method].target.partition(":")[0]
    known = ("registry", module.rpartition(".")[2])
    others = [path for path in (ROOT / "tokred/methods").glob("*.py") if path.stem not in known]
    assert [path.name for path in others if method in named_in(path)] == []


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("tests/workflow/test_smoke.py::test_report", "workflow"),
        ("tests/workflow/test_docs.py::test_losses[a::b]", "workflow"),
        ("tests/workflow/test_search.py::test_x", "tests/workflow/test_search.py"),
        ("tests/explorer/test_looks.py::test_x", "explorer"),
        ("tests/test_readers.py::test_x", "tests/test_readers.py"),
    ],
)
def test_groups(test: str, group: str) -> None:
    assert group_of(test) == group


@pytest.mark.slow  # says something where the tests that share a fixture are collected, too
@pytest.mark.parametrize("fixture", ["smoke", "slurm", "browser", "explorer"])
def test_tests_that_share_an_expensive_fixture_run_in_one_process(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    items = [item for item in request.session.items if fixture in getattr(item, "fixturenames", ())]
    assert len({group_of(item.nodeid) for item in items}) <= 1
