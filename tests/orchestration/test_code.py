"""The fingerprint of a definition changes with the code that it can reach, and with nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tokred.orchestration import module_code, provenance
from tokred.orchestration.module_code import parse_module
from tokred.orchestration.provenance import Package

JOB = '''"""A module."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydantic import Field

from tokred import tools
from tokred.parts.shapes import Shape as Form, area
from tokred.reexport import passed_on

if TYPE_CHECKING:
    from tokred.types import Unseen

log = logging.getLogger(__name__)
LIMIT = 3


class Wrong(Exception):
    """Something is wrong."""


def run(size: int, *, scale: float = 1.5) -> float:
    """Do it."""
    total: float = area(Form(size)) * scale
    log.info("total %s", total)
    if total > LIMIT:
        raise ValueError(f"too large: {total}, {tools.hint(total)}")
    if total < 0:
        raise Wrong("negative")
    text = "tokred.far:reached"
    return tools.twice(total) + passed_on() + len(text) + len("facts.csv")


def unused(x):
    return x
'''
FILES = {
    "job.py": JOB,
    "tools.py": "def twice(x):\n    return 2 * x\n\n\ndef hint(x):\n    return 'less'\n",
    "parts/__init__.py": "",
    "parts/shapes.py": (
        "from dataclasses import dataclass\n\nfrom tokred.types import Length\n\n\n@dataclass\nclass Shape:\n"
        "    size: Length\n\n\ndef area(shape):\n    side = shape.size\n    return side * side\n"
    ),
    "types.py": "Length = int\nUnseen = str\n",
    "reexport.py": "from tokred.origin import passed_on\n",
    "origin.py": "VALUES = {}\nVALUES['a'] = 1\n\n\ndef passed_on():\n    return VALUES['a']\n",
    "far.py": "def reached():\n    from tokred.deep import deepest\n\n    return deepest()\n",
    "deep.py": "def deepest():\n    return 1\n",
    "facts.csv": "a,b\n1,2\n",
    "__init__.py": "",
}
#: Changes that may affect a result: file, old text, new text.
COUNTS = [
    ("job.py", "* scale\n", "/ scale\n"),
    ("job.py", "LIMIT = 3", "LIMIT = 4"),
    ("job.py", "= 1.5", "= 1.6"),
    ("job.py", "*, scale", "scale"),
    ("job.py", "total > LIMIT", "total >= LIMIT"),
    ("job.py", 'Wrong("negative")', 'Wrong("below zero")'),
    ("job.py", "raise ValueError(f", "raise KeyError(f"),
    ("job.py", "Form(size)", "Form(size + 1)"),
    ("tools.py", "2 * x", "3 * x"),
    ("parts/shapes.py", "side * side", "side + side"),
    ("parts/shapes.py", "size: Length", "size: float"),
    ("parts/shapes.py", "@dataclass\n", "@dataclass(frozen=True)\n"),
    ("types.py", "Length = int", "Length = float"),
    ("reexport.py", "tokred.origin", "tokred.deep"),
    ("origin.py", "VALUES['a'] = 1", "VALUES['a'] = 2"),
    ("deep.py", "return 1", "return 1.0"),
    ("deep.py", "return 1", "return True"),
    ("facts.csv", "1,2", "1,3"),
]
#: What does not.
DOES_NOT = [
    ("job.py", '"""A module."""', '"""Another module."""'),
    ("job.py", '    """Do it."""\n', "    # Do it.\n"),
    ("job.py", "total: float = area", "total = area"),
    ("job.py", "(size: int, *, scale: float = 1.5) -> float:", "(size, *,  scale = 1.5):"),
    ("job.py", '"total %s"', '"it is %s"'),
    ("job.py", "too large", "beyond what fits"),
    ("job.py", "    from tokred.types import Unseen\n", "    from tokred.deep import deepest\n"),
    ("job.py", "    return x\n", "    return -x\n"),
    ("job.py", "def unused(x)", "def unused_now(x)"),
    ("job.py", "    if total < 0:\n", "    if (\n        total < 0\n    ):\n"),
    ("tools.py", "'less'", "'more'"),
    ("tools.py", "def hint", "def another():\n    return 0\n\n\ndef hint"),
    ("types.py", "Unseen = str", "Unseen = bytes"),
    ("far.py", "    return deepest()", '    """The farthest."""\n    return deepest()'),
]


def write(root: Path, files: dict[str, str]) -> Package:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Package(root)


def changed(root: Path, file: str, before: str, after: str) -> bool:
    """Whether the fingerprint of the job changes with its code."""
    old = write(root, FILES).code("tokred.job:run")
    assert FILES[file].count(before) == 1
    return write(root, {file: FILES[file].replace(before, after)}).code("tokred.job:run") != old


@pytest.mark.parametrize(("file", "before", "after"), COUNTS)
def test_what_changes_results_counts(tmp_path: Path, file: str, before: str, after: str) -> None:
    if (file, after) == ("reexport.py", "tokred.deep"):
        write(tmp_path, {"deep.py": FILES["deep.py"]})
        files = {**FILES, "deep.py": FILES["deep.py"] + "\n\ndef passed_on():\n    return 7\n"}
        old = write(tmp_path, files).code("tokred.job:run")
        assert write(tmp_path, {file: FILES[file].replace(before, after)}).code("tokred.job:run") != old
        return
    assert changed(tmp_path, file, before, after)


@pytest.mark.parametrize(("file", "before", "after"), DOES_NOT)
def test_what_does_not_change_results_does_not_count(
    tmp_path: Path, file: str, before: str, after: str
) -> None:
    assert not changed(tmp_path, file, before, after)


def test_where_code_lies_does_not_matter(tmp_path: Path) -> None:
    old = write(tmp_path / "a", FILES).code("tokred.job:run")
    moved = {name: text for name, text in FILES.items() if not name.startswith("parts/")}
    moved["types.py"] += FILES["parts/shapes.py"].replace("from tokred.types import Length\n", "")
    moved["job.py"] = JOB.replace("tokred.parts.shapes", "tokred.types")
    assert write(tmp_path / "b", moved).code("tokred.job:run") == old


def test_a_name_that_stands_for_something_else_counts(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "a.py": "from tokred.b import f\nfrom tokred.c import f as g\n\n\ndef run():\n    return f() - g()\n",
        "b.py": "def f():\n    return 1\n",
        "c.py": "def f():\n    return 2\n",
    }
    old = write(tmp_path, files).code("tokred.a:run")
    files["a.py"] = files["a.py"].replace("tokred.b", "tokred.x").replace("tokred.c", "tokred.b")
    files["a.py"] = files["a.py"].replace("tokred.x", "tokred.c")
    assert write(tmp_path, files).code("tokred.a:run") != old


def test_own_variables_of_a_function_are_no_use_of_the_modules_names(tmp_path: Path) -> None:
    text = "from tokred import tools\n\n\ndef run(tools, other=1):\n    hint = tools\n    return hint\n"
    package = write(tmp_path, {"__init__.py": "", "a.py": text, "tools.py": FILES["tools.py"]})
    assert package.reached("tokred.a:run") == {"tokred.a": ["run"]}


def test_defaults_of_arguments_are_of_the_module(tmp_path: Path) -> None:
    text = "SIZE = 1\n\n\ndef run(SIZE=SIZE):\n    return SIZE\n"
    package = write(tmp_path, {"__init__.py": "", "a.py": text})
    assert package.reached("tokred.a:run") == {"tokred.a": ["SIZE", "run"]}


def test_a_module_that_is_passed_on_counts_as_a_whole(tmp_path: Path) -> None:
    text = "from tokred import tools\n\n\ndef run(f):\n    return f(tools)\n"
    package = write(tmp_path, {"__init__.py": "", "a.py": text, "tools.py": FILES["tools.py"]})
    assert package.reached("tokred.a:run")["tokred.tools"] == ["*", "hint", "twice"]


def test_descriptions_of_fields_do_not_count(tmp_path: Path) -> None:
    text = "from pydantic import Field\n\n\nclass A:\n    x: int = Field(1, ge=0, description='an x')\n"
    old = write(tmp_path, {"__init__.py": "", "a.py": text}).code("tokred.a:A")
    assert write(tmp_path, {"a.py": text.replace("an x", "any x")}).code("tokred.a:A") == old
    assert write(tmp_path, {"a.py": text.replace("ge=0", "ge=1")}).code("tokred.a:A") != old


def test_errors_name_what_is_missing(tmp_path: Path) -> None:
    package = write(tmp_path, FILES)
    with pytest.raises(ValueError, match=r"tokred\.job:nothing: no such definition"):
        package.code("tokred.job:nothing")
    with pytest.raises(ValueError, match=r"tokred\.none:nothing: no such definition"):
        package.code("tokred.none:nothing")
    write(tmp_path, {"job.py": "from . import tools\n\n\ndef run():\n    return tools.twice(1)\n"})
    with pytest.raises(ValueError, match="expected absolute imports"):
        Package(tmp_path).code("tokred.job:run")


def kept(root: Path, file: Path) -> str:
    """Fingerprint of the job, by modules that are kept in a file."""
    return Package(root, file).code("tokred.job:run")


def test_parsed_modules_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, file = tmp_path / "tokred", tmp_path / "cache/code.json"
    expected = write(root, FILES).code("tokred.job:run")
    modules = [name for name in FILES if name.endswith(".py")]
    parsed = []
    monkeypatch.setattr(module_code, "parse_module", lambda *of: parsed.append(of[1]) or parse_module(*of))
    assert kept(root, file) == expected
    assert len(parsed) == len(modules)
    assert kept(root, file) == expected
    assert len(parsed) == len(modules)
    changed_tools = FILES["tools.py"] + "\n\ndef unused():\n    return 3\n"
    write(root, {"tools.py": changed_tools, "new.py": "x = 1\n"})
    assert kept(root, file) == expected
    assert sorted(parsed[len(modules) :]) == ["tokred.new", "tokred.tools"]
    (root / "new.py").unlink()  # of which nothing is reached then
    write(root, {"tools.py": FILES["tools.py"]})
    assert kept(root, file) == expected
    write(tmp_path / "copy/tokred", FILES)
    assert kept(tmp_path / "copy/tokred", file) == expected
    assert len(parsed) == len(modules) + 2


def test_no_more_is_kept_than_of_some_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, file = tmp_path / "tokred", tmp_path / "code.json"
    write(root, FILES)
    texts = {FILES[name] for name in FILES if name.endswith(".py")}
    monkeypatch.setattr(module_code, "_MOST_KEPT", len(texts) + 2)
    for number in range(5):
        write(root, {"new.py": f"x = {number}\n"})
        kept(root, file)
        assert len(json.loads(file.read_text())["modules"]) <= len(texts) + 2


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "other"}', "null", '{"modules": {}}'])
def test_what_is_kept_of_another_version_or_damaged_is_replaced(tmp_path: Path, content: str) -> None:
    root, file = tmp_path / "tokred", tmp_path / "code.json"
    expected = write(root, FILES).code("tokred.job:run")
    file.write_text(content)
    assert kept(root, file) == expected
    assert len(json.loads(file.read_text())["modules"]) > 3


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "tokred"
    expected = write(root, FILES).code("tokred.job:run")
    (tmp_path / "file").touch()
    assert kept(root, tmp_path / "file/code.json") == expected
    assert "code.json: not written" in caplog.text


@pytest.mark.slow
def test_the_installed_package_is_the_same_with_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    target, root = "tokred.files:atomic_path", provenance.installed().root
    for _ in range(2):
        package = Package(root, module_code.kept_file())
        assert package.code(target) == provenance.installed().code(target)
    assert list((tmp_path / "tokred").iterdir()) == [module_code.kept_file()]
