"""The explorer's JavaScript: its modules by themselves in Node, and the one script made of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tokred.explorer import page

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests/javascript").glob("*.test.mjs"))
MODULES = {path.stem: path.read_text(encoding="utf-8") for path in page.assets() if path.suffix == ".mjs"}
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js is installed (.ci/run installs it)")


@needs_node
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_modules(path: Path) -> None:
    done = subprocess.run([NODE, "--test", str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^\W+pass (\d+)$", done.stdout, re.M)
    assert int(passed[1]) == len(re.findall(r"^test\(", path.read_text(encoding="utf-8"), re.M))


@needs_node
def test_the_one_script_is_valid(tmp_path: Path) -> None:
    """No two modules have a top-level name in common: they share one scope."""
    script = tmp_path / "script.cjs"
    script.write_text(page.bundle(), encoding="utf-8")
    done = subprocess.run([NODE, "--check", str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_modules_import_only_from_modules_before_them() -> None:
    """In the one script, a name must be defined before another module uses it."""
    before: list[str] = []
    for name in page._SCRIPTS:
        imported = re.findall(r"from \"\./(\w+)\.mjs\";", MODULES[name])
        assert imported == [other for other in before if other in imported]
        before.append(name)
    assert sorted(before) == sorted(MODULES)


def test_nothing_of_a_module_is_left_in_the_script() -> None:
    assert re.findall(r"^(?:import|export)\b.*", page.bundle(), re.M) == []
