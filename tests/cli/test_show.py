"""`tokred show` from its arguments to the picture, and its errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tokred.artifacts import style
from tokred.cli.app import app

#: A small model with 10 x 10 tokens and 6 blocks; nothing is downloaded.
MODEL = ["test_vit", "--random-weights", "--schedule", "stages:1,3"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """The left half is dark."""
    pixels = np.full((200, 240, 3), 200, dtype=np.uint8)
    pixels[:, :120] = 30
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def show(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


def test_a_picture_of_what_the_model_sees(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr(style, "save", lambda fig, path, title: saved.append((fig, path, title)))
    monkeypatch.chdir(photo.parent)
    result = show(*MODEL, photo, "--methods", "topk,tome")
    assert (result.exit_code, result.stdout.strip()) == (0, "photo-tokens.png"), result.output
    assert "Weights are random" in result.stderr
    ((fig, path, title),) = saved
    assert (str(path), title) == ("photo-tokens.png", "photo.png in test_vit")
    seen = np.asarray(fig.axes[0].images[0].get_array())
    assert seen.shape == (480, 480, 3), "160 pixels that the model sees, three times as many for people"
    np.testing.assert_allclose(seen[:, [0, -1]], [[[30 / 255] * 3, [200 / 255] * 3]] * 480, atol=0.01)
    texts = [axes.get_xlabel() for axes in fig.axes]
    assert texts == ["", "50 tokens", "25 tokens"] * 2
    assert fig.axes[1].get_title() == "$r$ = 50 %\nafter 2 of 6 blocks"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_formats_and_the_same_bytes_twice(photo: Path, suffix: str) -> None:
    files = [photo.parent / f"{name}.{suffix}" for name in "ab"]
    for file in files:
        result = show(*MODEL, photo, "-m", "topk", "-o", file, "--after", "1,6")
        assert result.exit_code == 0, result.output
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[suffix])


@pytest.mark.slow
def test_a_method_that_cannot_have_a_keep_rate_is_named(photo: Path) -> None:
    out = photo.parent / "a.png"
    result = show(*MODEL, photo, "-m", "topk,tome", "-r", ".25,.5", "-o", out)
    assert result.exit_code == 0, result.output
    assert "Without tome 0.25: " in result.stderr
    alone = show(*MODEL, photo, "-m", "tome", "-r", ".25", "-o", out)
    assert (alone.exit_code, alone.stdout) == (2, "")


MISTAKES = {
    "no such image": (["x.png"], "x.png: no such file; expected an image"),
    "no image": (["text.png"], "text.png: cannot be decoded: cannot identify image file"),
    "format": (["photo.png", "-o", "a.gif"], "--out a.gif: expected a file that ends in .png, .pdf, .svg"),
    "folder": (["photo.png", "-o", "none/a.png"], "--out none/a.png: there is no folder"),
    "part": (["photo.png", "--part", "merged"], "--part"),
    "after": (["photo.png", "--after", "3,2"], "--after 3,2: expected increasing numbers from 1 to 6"),
    "part of none": (["photo.png", "-m", "tome", "--part", "kept"], "none of the methods tome has kept"),
    "unreduced": (["photo.png", "-m", "none"], "--methods: expected methods besides the unreduced model"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(photo: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    (photo.parent / "text.png").write_text("no image")
    arguments, message = MISTAKES[name]
    before = sorted(photo.parent.iterdir())
    result = show(*MODEL, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("tokred: error: ")
    assert message in line
    assert sorted(photo.parent.iterdir()) == before
