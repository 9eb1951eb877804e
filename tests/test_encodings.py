"""Text is UTF-8 whatever the locale: no file is opened, and no process is read, in the locale's encoding."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(
    path for folder in ("tokred", "workflow", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
#: Modules whose function `open` reads no text.
BINARY = {"Image", "os", "tarfile", "gzip", "webbrowser"}
TEXT_FUNCTIONS = {"read_text", "write_text", "FileHandler", "NamedTemporaryFile", "TemporaryFile", "fdopen"}
PROCESS = {"text", "universal_newlines"}


def without_encoding(tree: ast.AST) -> Iterator[int]:
    """Lines of calls that read or write text in the locale's encoding."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = call.func
        name = getattr(function, "attr", getattr(function, "id", ""))
        given = {keyword.arg for keyword in call.keywords}
        modes = [value.value for value in _modes(call) if isinstance(value, ast.Constant)]
        if "encoding" in given or any("b" in str(mode) for mode in modes):
            continue
        owner = getattr(getattr(function, "value", None), "id", None)
        opens = name == "open" and owner not in BINARY
        # The module of this project that reads text as UTF-8.
        texts = name in TEXT_FUNCTIONS and not (name == "read_text" and isinstance(function, ast.Name))
        if opens or texts or (given & PROCESS):
            yield call.lineno


def _modes(call: ast.Call) -> list[ast.expr]:
    """What a call of a function `open` may give as the mode."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    place = 1 if isinstance(call.func, ast.Name) else 0
    is_open = getattr(call.func, "attr", getattr(call.func, "id", "")) == "open"
    return named + (call.args[place : place + 1] if is_open else [])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_has_an_encoding(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(without_encoding(tree)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('a')", True),
        ("open('a', 'w')", True),
        ("open('a', mode='w')", True),
        ("open('a', 'rb')", False),
        ("open('a', encoding='utf-8')", False),
        ("path.open()", True),
        ("path.open('r+b')", False),
        ("Image.open(path)", False),
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text('b')", True),
        ("logging.FileHandler('a')", True),
        ("subprocess.run(['a'], text=True)", True),
        ("subprocess.run(['a'], text=True, encoding='utf-8')", False),
    ],
)
def test_what_is_found(code: str, found: bool) -> None:
    assert bool(list(without_encoding(ast.parse(code)))) == found


def test_files_that_snakemake_reads_are_ascii() -> None:
    """Snakemake opens them in the locale's encoding, before any of our code runs."""
    read = [ROOT / "Snakefile", ROOT / "config.yaml", *(ROOT / "rules").glob("*.smk")]
    read += [
        *(ROOT / "workflow").rglob("*.yaml"),
        *(ROOT / "workflow").rglob("*.rst"),
        *(ROOT / "envs").iterdir(),
    ]
    assert [path for path in read if not path.read_bytes().isascii()] == []


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_tables_are_written_without_a_utf8_locale(tmp_path: Path, locale: str) -> None:
    code = (
        "import locale, sys; from tokred.artifacts import render\n"
        "from tests.artifacts.tables import VIEWS, made_up\n"
        "assert locale.getpreferredencoding(False).lower() not in ('utf-8', 'utf8')\n"
        "view = VIEWS['smallest']; view.datasets['imagenet'] = 'Gr\\xf6\\xdfe'\n"
        "render.render('table1', {'scores': made_up(view)['scores']}, view, sys.argv[1:])\n"
    )
    files = [tmp_path / f"table1.{suffix}" for suffix in ("md", "csv", "html", "tex")]
    environment = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, files)], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    for file in files:
        assert "Größe" in file.read_text(encoding="utf-8")
