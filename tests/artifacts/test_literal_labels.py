"""What users call data sets, backbones and classes is shown literally in every format."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.artifacts.tables import VIEWS, made_up
from tokred.artifacts import differences, performance_table, render, style
from tokred.artifacts.registry import ARTIFACTS
from tokred.presentation import markup
from tokred.presentation.table import Table
from tokred.study.view import View

LABELS = [
    r"50% & $5, $6_{x}^2",
    "a|b <b>c</b> &amp; d",
    "_under_ *star* `tick` [x](y) ~z~",
    "C:\\temp\\#1 {y}",
    '"quoted", and -- more',
    "[0] first",
    "$",
    r"\$",
    r"$\alpha$",
    "=1+1",
]
SHAPE = next(iter(VIEWS))


def named(shape: str, labels: list[str]) -> View:
    """A view whose data sets and backbones have these labels, as far as they go."""
    view = VIEWS[shape]
    pool = iter(labels)
    datasets, backbones = ({n: next(pool, n) for n in names} for names in (view.datasets, view.backbones))
    return replace(view, datasets=datasets, backbones=backbones)


def unmarked(text: str) -> str:
    """Markdown's text: backslashes before punctuation taken away, as CommonMark does."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def cells_of(line: str) -> list[str]:
    """Cells of a line of a Markdown table, split at bars without a backslash."""
    return [unmarked(cell.strip()) for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]


@pytest.fixture(params=(0, 4, 7))
def table(request: pytest.FixtureRequest) -> Table:
    view = named(SHAPE, LABELS[request.param :] + LABELS[: request.param])
    return performance_table.make(made_up(VIEWS[SHAPE]), view, 0)


@pytest.mark.slow
def test_tables_as_text(table: Table) -> None:
    heads = [f"{group} {head}" for group, head in table.values.columns]
    assert next(csv.reader(io.StringIO(table.csv())))[1:] == heads
    lines = table.markdown().splitlines()
    assert unmarked(lines[0]) == f"**{table.title}**"
    assert cells_of(lines[2]) == ["method", *heads]
    groups = [unescape(text) for text in re.findall(r'<th colspan="\d+">(.*?)</th>', table.html())]
    assert groups == list(dict.fromkeys(group for group, _ in table.values.columns))
    assert unescape(re.search("<h1>(.*?)</h1>", table.html())[1]) == table.title


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"50% & $5", r"50\% \& \$5"),
        (r"$\alpha$", r"\$\textbackslash{}alpha\$"),
        (r"$\ell_1$ #1", r"$\ell_1$ \#1"),
        ("a_{b}^c~d", r"a\_\{b\}\textasciicircum{}c\textasciitilde{}d"),
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        ("[0] *", "{[}0{]} {*}"),
        ("a---b", "a-{}-{}-b"),
        ("Top-K", "Top-K"),
    ],
)
def test_latex(text: str, expected: str) -> None:
    assert markup.latex(text) == expected


@pytest.mark.parametrize("text", ["Top-K", "ViT-Micro 1.5 (a)", "vit_nano", "10^12 MAC/s, 50%"])
def test_plain_labels_stay_as_they_are_in_markdown(text: str) -> None:
    assert markup.markdown(text) == text


def drawn(text: str, plain: bool) -> np.ndarray:
    fig = Figure(figsize=(6, 1), dpi=100)
    canvas = FigureCanvasAgg(fig)
    label = fig.text(0.02, 0.5, text)
    label.set_parse_math(not plain)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize("label", LABELS)
def test_matplotlib_draws_labels_as_plain_text(label: str) -> None:
    np.testing.assert_array_equal(drawn(markup.mathtext(label), plain=False), drawn(label, plain=True))


@pytest.mark.slow
def test_figures_get_literal_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view, drawn_labels = named("default", ["$5", "a\\$", "$b$"]), []
    frames = {table: made_up(VIEWS["default"])[table] for table in ARTIFACTS["figure30"].needs}
    monkeypatch.setattr(style, "save", lambda fig, *_: drawn_labels.extend(_texts(fig)))
    render.render("figure30", frames, view, [str(tmp_path / "figure.png")])
    assert {"\\$5", "a\\\\$", "\\$b\\$"} <= set(drawn_labels)


def _texts(fig: Figure) -> list[str]:
    FigureCanvasAgg(fig).draw()
    return [text.get_text() for text in fig.findobj(Text)]


def test_rows_can_have_any_label() -> None:
    table = differences.make(made_up(VIEWS["smallest"]), named("smallest", ["a", LABELS[0]]))
    assert f"{markup.latex(LABELS[0])} Top-K & " in table.latex()
