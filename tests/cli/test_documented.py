"""Every command of README and docs that calls the program works, on pictures and weights made here."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.pictures import write_classes, write_flat
from tests.small_models import small_vit
from tests.workflow.documented import commands, is_own
from tokred.cli.app import app
from tokred.efficiency import off_the_shelf
from tokred.models import pretrained
from tokred.models.pretrained import LoadedVit

COMMANDS = [command for command in commands() if is_own(command)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the documentation supposes; every model is a small one."""
    write_flat(tmp_path / "photos", 3)
    for name in ("imagenet/val", "birds/test", "birds/train"):
        write_classes(tmp_path / name, ("n01440764", "n01443537"), each=2)

    def load(
        model: str, weights: Any = None, random: bool = False, image_size: int | None = None
    ) -> LoadedVit:
        return LoadedVit(small_vit(), model, "random" if random else str(weights))

    monkeypatch.setattr(pretrained, "load_vit", load)
    monkeypatch.setitem(off_the_shelf._LATENCY, "repeats", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, folder: Path) -> None:
    words = shlex.split(command.partition(" | ")[0].removeprefix("python -m "))[1:]
    if len(words) < 2 and words != ["methods"]:
        words.append("--help")  # the name of a command, in a sentence
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    for option in ("--csv", "--parquet"):
        assert option not in words or (folder / words[words.index(option) + 1]).stat().st_size > 100


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 10
    assert sum("evaluate" in command for command in COMMANDS) > 5
