"""The program: help, what it lists, and errors in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import tokred
from tokred.cli.app import app
from tokred.methods.registry import METHODS

RUNNER = CliRunner()


def run(*arguments: str, status: int = 0) -> str:
    """The standard output of the program, or the standard error stream of a call that fails."""
    result = RUNNER.invoke(app, list(arguments), env={"COLUMNS": "100"})
    assert result.exit_code == status, result.output
    return result.stderr if status else result.stdout


@pytest.mark.parametrize("command", [(), ("methods",), ("evaluate",)])
def test_help(command: tuple[str, ...]) -> None:
    assert f"Usage: {' '.join(('root', *command))}" in run(*command, "--help").replace("tokred", "root")


def test_version() -> None:
    assert run("--version") == f"tokred {tokred.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bogus",), "No such command 'bogus'; see `root --help`"),
        (("methods", "--bogus"), "No such option: --bogus; see `root methods --help`"),
        (("methods", "--family", "hard"), "unknown family 'hard'; known: unreduced, fixed pruning, "),
        (("methods", "zz*"), "no method is called like 'zz*' and as the other options say"),
        (("methods", "--json", "no/such.json"), "--json no/such.json: there is no folder "),
        (("methods", "--json", "-", "--csv", "-"), "--json and --csv: only one of them can go "),
        (("evaluate", "x", "-m", "topk"), "Missing option '--images' / '-i'; see `root evaluate --help`"),
        (("evaluate", "x", "-i", ".", "-m", "tomee"), "unknown method 'tomee' (did you mean 'tome'?); "),
        (("evaluate", "x", "-i", ".", "-m", ","), "--methods: expected names of methods, separated by "),
        (("evaluate", "x", "-i", ".", "-m", "tome,tome"), "--methods: duplicate entries: 'tome'"),
        (("evaluate", "x", "-i", ".", "-m", "tome", "-r", "2"), "keep_rate '2': expected a number in (0, 1]"),
        (
            ("evaluate", "x", "-i", ".", "-m", "tome", "-s", "stage"),
            "unknown schedule 'stage' (did you mean ",
        ),
        (
            ("evaluate", "x", "-i", ".", "-m", "tome", "-s", "constant:9", "-r", ".5"),
            "--keep-rates .5: schedule 'constant:9' says how many tokens are left, and takes no keep rate",
        ),
        (
            ("evaluate", "x", "-i", ".", "-m", "tome", "-p", "fp8"),
            "--precision 'fp8': expected fp32, bf16, fp16",
        ),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    printed = run(*arguments, status=2)
    assert printed.replace("`tokred", "`root").startswith(f"tokred: error: {message}")
    assert printed.count("\n") == 1


def test_methods_in_a_terminal() -> None:
    printed = run("methods")
    assert max(map(len, printed.splitlines())) <= 110
    for name in METHODS:
        assert (f"\n{name} " in printed) == (name != "none")
    assert "Bolya et al. 2023" in printed


def test_methods_in_files(tmp_path: Path) -> None:
    path = tmp_path / "methods.parquet"
    found = json.loads(run("methods", "--merges", "--untrained", "--json", "-", "--parquet", str(path)))
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {n for n, m in METHODS.items() if m.clusters and not m.must_train}
    assert rows["tome"]["min_keep_rate"] == 0.5
    assert rows["kmedoids"]["needs_attention"]
    assert rows["tome"]["summary"].startswith("ToMe: merge the most similar pairs")
    table = pd.read_parquet(path)
    assert list(table["name"]) == list(rows)
    assert table["options"][list(rows).index("kmedoids")] == "iterations" or "," in str(table["options"])


@pytest.mark.slow
def test_no_command_imports_torch_before_it_needs_it() -> None:
    """Help, a list and errors come at once."""
    program = (
        "import sys; from typer.testing import CliRunner; from tokred.cli.app import app\n"
        "for words in (['--help'], ['evaluate', '--help'], ['methods'], ['evaluate', 'x', '-m', 'y']):\n"
        "    CliRunner().invoke(app, words)\n"
        "print([name for name in ('torch', 'timm', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize(("words", "status"), [(("methods", "t*"), 0), (("evaluate", "x", "-m", "y"), 2)])
def test_as_a_program(words: tuple[str, ...], status: int) -> None:
    command = [sys.executable, "-m", "tokred", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == status
    assert "Traceback" not in result.stderr
    assert ("topk" in result.stdout) == (status == 0)
    assert result.stderr.startswith("tokred: error: ") == (status == 2)
