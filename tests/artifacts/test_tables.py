"""Tables 1 and 7: numbers, bold cells and marks, against the published table and by brute force."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.artifacts.tables import VIEWS, made_up
from tokred import published
from tokred.artifacts import differences
from tokred.artifacts.registry import ARTIFACTS
from tokred.presentation.table import MARKS, Table

PAPER = VIEWS["paper"]


@pytest.fixture(scope="module")
def table() -> Table:
    return ARTIFACTS["table1"].make({"scores": published.scores()}, PAPER)


def test_numbers_are_the_published_ones(table: Table) -> None:
    values = pd.read_csv(io.StringIO(table.csv()), index_col=0)
    assert values.loc["Top-K", "Imagenet 90%"] == 79.87
    assert values.loc["EViT", "Nabirds 25%"] == 76.74
    assert values.loc["Unreduced", "Coco 25%"] == 78.11
    assert pd.isna(values.loc["ToMe", "Imagenet 25%"])
    assert list(values.index[:4]) == ["Unreduced", "l1", "l2", "linf"]


def test_bold_cells_are_the_published_ones(table: Table) -> None:
    """Bold in the paper's Table 1: what exceeds the DeiT-S baseline."""
    bold = {(name, *column) for column in table.bold for name in table.bold.index[table.bold[column]]}
    expected = {(m, "Imagenet", "90%") for m in ("Top-K", "EViT", "ToMe")}
    expected |= {(m, "Nabirds", "70%") for m in ("Top-K", "EViT", "DynamicViT")}
    expected |= {(m, "Nabirds", "90%") for m in ("Top-K", "EViT", "DynamicViT", "ToMe")}
    expected |= {("DynamicViT", "Nabirds", "50%")}
    expected |= {(m, "Nuswide", "90%") for m in ("Top-K", "EViT")}
    assert bold == expected


def test_which_backbone_is_in_which_table() -> None:
    scores = {"scores": published.scores()}
    titles = [ARTIFACTS[name].make(scores, PAPER).title for name in ("table1", "table7a", "table7b")]
    assert titles == [f"Performance with deit-{size}" for size in ("small", "base", "tiny")]
    two = {"scores": made_up(VIEWS["default"])["scores"]}
    assert ARTIFACTS["table1"].make(two, VIEWS["default"]).title.endswith("deit-small")
    assert ARTIFACTS["table7a"].make(two, VIEWS["default"]).title.endswith("deit-tiny")


def test_marks_by_brute_force(table: Table) -> None:
    for column in table.values:
        values = table.values[column].drop("Unreduced").dropna()
        order = sorted(values, reverse=True)
        for mark, value in {1: order[0], 2: order[1], 3: order[2], -1: order[-1], -3: order[-3]}.items():
            (name,) = table.mark.index[table.mark[column] == mark]
            assert values[name] == value
        assert (table.mark[column] != 0).sum() == 6


def test_ties_and_few_methods_have_each_mark_once() -> None:
    scores = made_up(VIEWS["smallest"])["scores"].assign(score=50.0)
    few = VIEWS["smallest"].__class__(
        **{**vars(VIEWS["smallest"]), "methods": ("topk", "evit", "ats", "tome")}
    )
    marks = ARTIFACTS["table1"].make({"scores": scores}, few).mark.iloc[1:, 0]
    assert marks.tolist() == [1, 2, 3, -1]
    assert not ARTIFACTS["table1"].make({"scores": scores}, few).bold.any(axis=None)


def test_all_formats_have_the_same_digits() -> None:
    scores = made_up(VIEWS["smallest"])["scores"]
    table = ARTIFACTS["table1"].make({"scores": scores.assign(score=53.465)}, VIEWS["smallest"])
    shown = f"{53.465:.2f}"
    counts = {text.count(shown) for text in (table.csv(), table.markdown(), table.latex())}
    assert counts == {len(VIEWS["smallest"].methods) + 1}, "every method's score, and the unreduced model's"


def test_markdown_can_be_read(table: Table) -> None:
    text = table.markdown()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 14
    assert {row.count("|") for row in rows} == {18}
    assert "| Top-K |" in text
    assert "**79.87**²" in text or "**79.87**³" in text
    assert "**Bold**: above the unreduced model" in text


def test_latex_is_complete(table: Table) -> None:
    text = table.latex()
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1
    assert text.count(r"\definecolor") == 6
    assert r"\multicolumn{4}{c}{Imagenet}" in text
    assert r"25\%" in text
    assert r"$\ell_1$" in text
    assert text.count(r"\textbf{") == 13
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in body[1:]} == {16}
    assert r"\cellcolor{tokredBest1}" in text


def test_seeds_are_averaged() -> None:
    scores = made_up(VIEWS["smallest"])["scores"]
    both = pd.concat([scores, scores.assign(seed=1, score=scores["score"] + 2)])
    one = ARTIFACTS["table1"].make({"scores": scores}, VIEWS["smallest"]).values
    pd.testing.assert_frame_equal(
        ARTIFACTS["table1"].make({"scores": both}, VIEWS["smallest"]).values, one + 1
    )


@pytest.mark.slow
def test_intervals_follow_the_numbers() -> None:
    made = replace(VIEWS["default"], table_intervals=True)
    table = ARTIFACTS["table1"].make(made_up(made), made)
    half = 1.959964 * 0.5
    cell = table.values.loc["Top-K"].iloc[0]
    csv = pd.read_csv(io.StringIO(table.csv()), index_col=0)
    assert csv.loc["Top-K"].iloc[:2].tolist() == [round(cell, 2), round(half, 2)]
    assert csv.columns[1] == csv.columns[0] + " ±"
    assert csv.loc["l1"].iloc[1::2].tolist() == [round(half, 2)] * 6
    assert f"± {half:.2f} |" in table.markdown()
    assert rf"$\pm$ {half:.2f}" in table.latex()
    assert "95 % intervals over test images" in table.note
    assert np.isnan(csv.loc["ToMe"].iloc[0])
    several = replace(made, seeds=(0, 1, 2))
    assert "over 3 seeds" in ARTIFACTS["table1"].make(made_up(several), several).note


def test_html_shows_the_marks_as_colors(table: Table) -> None:
    page = table.html()
    rows = dict(re.findall(r"<tr><th>([^<]+)</th>((?:<td.*?</td>)+)</tr>", page))
    cells = re.findall(r"<td([^>]*)>(.*?)</td>", rows["ToMe"])
    assert cells[0] == ("", "-")
    best = [value for style, value in cells if MARKS[1][1] in style]
    assert best == ["78.29¹", "79.63¹", "<b>79.92</b>¹"]  # ImageNet
    assert list(rows) == [table.plain_index.get(label, label) for label in table.values.index]
    assert "<script" not in page
    assert "http" not in page


def test_differences_name_the_largest() -> None:
    reference = published.scores()
    changed = reference.copy()
    for row, by in ((5, 9.0), (100, -7.0), (300, 5.0), (301, 0.5)):
        changed.loc[row, "score"] += by
    found = differences.make({"scores": changed, "reference": reference}, PAPER)
    assert found.bold.to_numpy().sum() == 3
    values = found.values.to_numpy()[found.bold.to_numpy()]
    assert sorted(values.round(6)) == [-7.0, 5.0, 9.0]
    assert found.values.shape == (3 * 14, 4 * 5)
    assert "minus the paper, in points of performance" in found.note


def test_differences_without_shared_cells_compare_methods() -> None:
    scores = published.scores().replace({"coco": "x", "imagenet": "y", "nabirds": "z", "nuswide": "w"})
    made = replace(PAPER, datasets={name: name for name in "xyzw"})
    found = differences.make({"scores": scores, "reference": published.scores()}, made)
    assert list(found.values.index[:2]) == ["EViT", "Top-K"]
    assert (found.values["Average rank", "difference"] == 0).all()
    assert "0.00" in found.markdown()
