"""Figures of studies of any shape: without overlaps, the same bytes every time, or an error that says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.artifacts.drawn import DRAWN, FIGURES, TABLES, draw
from tests.artifacts.tables import VIEWS, made_up, view
from tokred.artifacts.registry import ARTIFACTS
from tokred.artifacts.render import render
from tokred.methods.registry import METHODS
from tokred.study.view import View

pytestmark = pytest.mark.slow


def outside(fig: Figure) -> set[Text]:
    """Labels of ticks beyond the limits of their axis, which are never drawn."""
    labels = set()
    for axes in fig.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    labels |= {tick.label1, tick.label2}
    return labels


@pytest.mark.parametrize(("name", "shape"), DRAWN)
def test_no_texts_overlap(name: str, shape: str) -> None:
    fig = draw(name, shape)
    boxes, unseen = [], outside(fig)
    for text in fig.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in unseen:
            box = text.get_window_extent()
            if box.width > 1 and box.height > 1:
                boxes.append((text.get_text(), box))
    assert len(boxes) >= 5
    page = fig.bbox
    for index, (text, box) in enumerate(boxes):
        assert box.x0 >= page.x0 - 2, f"{text!r} leaves the page"
        assert box.x1 <= page.x1 + 2, f"{text!r} leaves the page"
        assert box.y0 >= page.y0 - 2, f"{text!r} leaves the page"
        assert box.y1 <= page.y1 + 2, f"{text!r} leaves the page"
        for other, other_box in boxes[index + 1 :]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert min(width, height) < 1.5, f"{text!r} overlaps {other!r}"


@pytest.mark.parametrize(("name", "shape"), DRAWN)
def test_every_panel_shows_something(name: str, shape: str) -> None:
    for axes in draw(name, shape).axes:
        assert axes.has_data() or axes.get_label() == "<colorbar>"


@pytest.mark.parametrize(("name", "shape"), DRAWN)
def test_legends_list_each_line_once_in_the_registry_s_order(name: str, shape: str) -> None:
    fig = draw(name, shape)
    labels = [method.label for method in METHODS.values()]
    plotted = {line.get_label() for axes in fig.axes for line in axes.get_lines()} & set(labels)
    listed = [text.get_text() for legend in fig.legends for text in legend.get_texts()]
    assert [label for label in listed if label in labels] == [label for label in labels if label in plotted]


@pytest.mark.parametrize(("name", "shape"), DRAWN)
def test_figures_fit_on_a_page(name: str, shape: str) -> None:
    width, height = draw(name, shape).get_size_inches()
    assert width <= 6.91
    assert height <= 9


#: A figure of each function, of the smallest study that has one.
ONE_OF_EACH = {
    ARTIFACTS[name].target: (name, shape)
    for shape in ("paper", "default", "smallest")
    for name in FIGURES
    if (name, shape) in DRAWN
}


@pytest.mark.parametrize(("name", "shape"), ONE_OF_EACH.values())
def test_same_bytes_twice_and_real_fonts(name: str, shape: str, tmp_path: Path) -> None:
    for copy in ("a", "b"):
        files = [str(tmp_path / copy / f"{name}.{suffix}") for suffix in ("pdf", "png")]
        render(name, TABLES[shape], VIEWS[shape], files)
    for suffix in ("pdf", "png"):
        first, second = ((tmp_path / copy / f"{name}.{suffix}").read_bytes() for copy in ("a", "b"))
        assert first == second
    assert b"/Type3" not in (tmp_path / "a" / f"{name}.pdf").read_bytes()


OBSTACLES = {
    "figure3": (view(1, 1, ("0.50",)), "needs at least 2 keep rates, the study has 1"),
    "figure4": (view(2, 1, ("0.50",)), "needs at least 2 backbones, the study has 1"),
    "figure5": (view(1, 2, ("0.50",)), "needs at least 2 datasets, the study has 1"),
    "figure7": (view(1, 1, ("0.50",), ("topk",)), "methods with a variable number of tokens, the study has"),
    "figure9": (
        view(1, 1, ("0.25", "0.50"), ("ats", "tome")),
        "clusters at 2 keep rates, the study has none",
    ),
    "figure10": (view(1, 2, ("0.50",), ("l1", "sit")), "shows methods with kept tokens, the study has none"),
    "figure27": (view(1, 1, ("0.50",), ("kmedoids", "l1")), "shows other methods with clusters, the study"),
    "figure13a": (view(1, 1, ("0.50",), ("topk",)), "needs the methods l1, which the study lacks"),
    "table7b": (view(1, 2, ("0.50",)), "needs at least 3 backbones, the study has 2"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_makes_no_sense_says_why(name: str, tmp_path: Path) -> None:
    study, message = OBSTACLES[name]
    with pytest.raises(ValueError, match=message):
        render(name, {}, study, [str(tmp_path / "x.pdf")])
    assert list(tmp_path.iterdir()) == []


FEW = [("topk",), ("sit",), ("l1", "l2"), ("ats", "tome"), ("topk", "tome")]


@pytest.mark.parametrize("methods", FEW)
def test_studies_of_few_methods_have_whatever_makes_sense(methods: tuple[str, ...]) -> None:
    few = view(2, 2, ("0.25", "0.50"), methods)
    tables = made_up(few)
    for name in ("figure1", "figure3", "figure4", "figure5", "figure9", "figure11", "figure13a", "figure18"):
        if ARTIFACTS[name].unavailable_reason(few) is None:
            assert ARTIFACTS[name].make(tables, few).axes


def test_panels_without_any_pairs_are_left_out() -> None:
    few = view(1, 2, ("0.50",), ("topk", "evit"))
    fig = ARTIFACTS["figure4"].make(made_up(few), few)
    assert [axes.get_ylabel() for axes in fig.axes] == ["IoU", "", ""]


def test_no_pairs_at_all_is_an_error() -> None:
    rows = TABLES["default"]["fixed"]
    tables = {"fixed": rows[rows["other_method"] != "linf"]}
    with pytest.raises(ValueError, match=r"no pairs to draw in study 'made_up': expected IoU with .*infty"):
        ARTIFACTS["figure13c"].make(tables, VIEWS["default"])


def test_empty_table_and_wrong_suffix(tmp_path: Path) -> None:
    made: View = VIEWS["default"]
    empty = {"scores": TABLES["default"]["scores"].iloc[:0]}
    with pytest.raises(ValueError, match="figure1: its table 'scores' has no rows in study 'made_up'"):
        render("figure1", empty, made, [str(tmp_path / "x.pdf")])
    with pytest.raises(ValueError, match=r"x.svg: expected one of the formats pdf, png"):
        render("figure1", TABLES["default"], made, [str(tmp_path / "x.svg")])
