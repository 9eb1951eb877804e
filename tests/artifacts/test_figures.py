"""Figures show the tables' numbers, for studies of any shape, without overlaps, the same bytes every time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.artifacts.tables import VIEWS, made_up, view
from tokred.artifacts import examples
from tokred.artifacts.registry import ARTIFACTS
from tokred.artifacts.render import render
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS
from tokred.metrics.rank import average_rank

FIGURES = [name for name, artifact in ARTIFACTS.items() if artifact.kind == "figure"]
TABLES = {shape: made_up(made) for shape, made in VIEWS.items()}
DRAWN = [
    (name, shape) for name in FIGURES for shape in VIEWS if ARTIFACTS[name].obstacle(VIEWS[shape]) is None
]


@cache
def draw(name: str, shape: str) -> Figure:
    fig = ARTIFACTS[name].load().draw(TABLES[shape], VIEWS[shape])
    FigureCanvasAgg(fig).draw()
    return fig


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
    assert len(boxes) > 5
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


@pytest.mark.parametrize("name", FIGURES)
def test_same_bytes_twice_and_real_fonts(name: str, tmp_path: Path) -> None:
    shape = "default" if (name, "default") in DRAWN else "paper"
    for copy in ("a", "b"):
        files = [str(tmp_path / copy / f"{name}.{suffix}") for suffix in ("pdf", "png")]
        render(name, TABLES[shape], VIEWS[shape], files)
    for suffix in ("pdf", "png"):
        first, second = ((tmp_path / copy / f"{name}.{suffix}").read_bytes() for copy in ("a", "b"))
        assert first == second
    assert b"/Type3" not in (tmp_path / "a" / f"{name}.pdf").read_bytes()


def lines(fig: Figure, panel: int) -> dict[str, np.ndarray]:
    """Plotted values of each labelled line of a panel."""
    shown = fig.axes[panel].get_lines()
    return {line.get_label(): line.get_ydata() for line in shown if not line.get_label().startswith("_")}


@pytest.mark.parametrize("shape", ["paper", "default"])
def test_figure3_shows_the_means(shape: str) -> None:
    rows = TABLES[shape]["keep_rates"]
    drawn = lines(draw("figure3", shape), panel=4)  # homogeneity at stage 2
    rates = sorted(VIEWS[shape].keep_rates, reverse=True)
    pairs = [(high, low) for i, high in enumerate(rates) for low in rates[i + 1 :]]
    assert set(drawn) == {METHODS[name].label for name in METHODS if METHODS[name].clusters}
    for name in ("sit", "tome"):
        chosen = rows[(rows.method == name) & (rows.metric == "homogeneity") & (rows.stage == 2)]
        mean = chosen.groupby(["keep_rate", "other_keep_rate"])["mean"].mean()
        expected = [mean.get(pair, np.nan) for pair in pairs]
        np.testing.assert_allclose(drawn[METHODS[name].label], expected)
    assert np.isnan(drawn["ToMe"]).any(), "ToMe has no patterns at 25 %: a gap"


def test_figure4_shows_the_means_and_bounds() -> None:
    rows = TABLES["default"]["backbones"]
    fig = draw("figure4", "default")
    chosen = rows[(rows.method == "ats") & (rows.metric == "iou") & (rows.stage == 1)]
    expected = chosen.groupby("keep_rate")["mean"].mean()
    np.testing.assert_allclose(lines(fig, 0)["ATS"], expected)
    assert r"$\ell_2$" not in lines(fig, 0), "fixed patterns agree by construction"
    bound, *bars = fig.axes[0].collections
    assert len(bound.get_segments()) == len(VIEWS["default"].keep_rates)
    assert len(bars) == len(lines(fig, 0)), "each line has its intervals"


def test_intervals_are_drawn_around_the_means() -> None:
    rows = TABLES["default"]["keep_rates"]
    fig = draw("figure3", "default")
    drawn = fig.axes[0].get_lines()
    place = [line.get_label() for line in drawn].index("ATS")
    bars = fig.axes[0].collections[1 + place].get_segments()
    rates = sorted(VIEWS["default"].keep_rates, reverse=True)
    pairs = [(high, low) for i, high in enumerate(rates) for low in rates[i + 1 :]]
    for (high, low), bar in zip(pairs, bars, strict=True):
        chosen = rows[(rows.method == "ats") & (rows.metric == "ioa") & (rows.stage == 1)]
        chosen = chosen[(chosen.keep_rate == high) & (chosen.other_keep_rate == low)]
        # two data sets, in each of them two backbones on the same ten images with std 0.1
        half = 1.959964 * np.sqrt(2 * (0.5 * 0.1 / np.sqrt(10)) ** 2)
        middle = chosen["mean"].mean()
        np.testing.assert_allclose(bar[:, 1], [middle - half, middle + half])


def test_figure1_sorts_by_rank() -> None:
    table = average_rank(TABLES["paper"]["scores"])
    labels = [text.get_text() for text in draw("figure1", "paper").axes[0].get_yticklabels()]
    assert labels == [METHODS[name].label for name in table["method"]]


@pytest.mark.parametrize("shape", ["paper", "default"])
def test_figure5_has_a_panel_for_each_backbone_and_pair(shape: str) -> None:
    made, rows = VIEWS[shape], TABLES[shape]["datasets"]
    fig, pairs = draw("figure5", shape), list(combinations(made.datasets, 2))
    titles = [f"{made.datasets[first]}\n{made.datasets[second]}" for first, second in pairs]
    assert [axes.get_title() for axes in fig.axes[: len(pairs)]] == titles
    assert len(fig.axes) == len(pairs) * len(made.backbones)
    panel = len(pairs) - 1  # of the first backbone and the last pair
    chosen = rows[(rows.method == "dpcknn") & (rows.metric == "pearson") & (rows.backbone == "deit_tiny")]
    chosen = chosen[
        [{*pair} == {*pairs[-1]} for pair in zip(chosen.dataset, chosen.other_dataset, strict=True)]
    ]
    np.testing.assert_allclose(lines(fig, panel)["DPC-KNN"], chosen.sort_values("keep_rate")["mean"])


def test_equal_lines_do_not_hide_each_other() -> None:
    axes = draw("figure4", "paper").axes[0]
    starts = {line.get_xdata()[0] for line in axes.get_lines()}
    assert len(starts) == len(axes.get_lines())
    assert max(abs(start) for start in starts) < 0.25, "nearer to its own tick than to the next"


def test_depth_maps_have_a_column_for_each_backbone_and_rate() -> None:
    rows, made = TABLES["default"]["depth"], VIEWS["default"]
    fig = draw("figure30", "default")
    images = [axes.images[0].get_array() for axes in fig.axes if axes.images]
    assert len(images) == len(made.datasets) * len(made.backbones) * len(made.keep_rates)
    second = rows[(rows.dataset == "imagenet") & (rows.backbone == "deit_tiny") & (rows.keep_rate == "0.50")]
    np.testing.assert_array_equal(images[1].ravel(), second.loc[second.method == "topk", "depth"])


def test_figure6_prints_the_values() -> None:
    rows = TABLES["default"]["proxies"]
    fig = draw("figure6", "default")
    chosen = rows[(rows.measure == "procrustes") & (rows.method == "topk") & (rows.backbone == "deit_tiny")]
    chosen = chosen[(chosen.correlation == "spearman") & (chosen.keep_rate == "0.25")]
    expected = [f"{value:z.2f}".replace("-", "−") for value in chosen.groupby("stage")["value"].mean()]
    assert [text.get_text() for text in fig.axes[0].texts[:4]] == expected


def test_figure7_shows_only_dynamic_methods() -> None:
    fig = draw("figure7", "paper")
    assert [axes.get_title() for axes in fig.axes] == [
        f"ATS: {name}" for name in VIEWS["paper"].datasets.values()
    ]


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
    "figure13a": (view(1, 1, ("0.50",), ("topk",)), "needs the methods l1, which the study has not"),
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
        if ARTIFACTS[name].obstacle(few) is None:
            assert ARTIFACTS[name].load().draw(tables, few).axes


def test_panels_without_any_pairs_are_left_out() -> None:
    few = view(1, 2, ("0.50",), ("topk", "evit"))
    fig = ARTIFACTS["figure4"].load().draw(made_up(few), few)
    assert [axes.get_ylabel() for axes in fig.axes] == ["IoU", "", ""]


def test_no_pairs_at_all_is_an_error() -> None:
    rows = TABLES["default"]["fixed"]
    tables = {"fixed": rows[rows["other_method"] != "linf"]}
    with pytest.raises(ValueError, match=r"no pairs to draw in study 'made_up': expected IoU with .*infty"):
        ARTIFACTS["figure13c"].load().draw(tables, VIEWS["default"])


def test_empty_table_and_wrong_suffix(tmp_path: Path) -> None:
    made: View = VIEWS["default"]
    empty = {"scores": TABLES["default"]["scores"].iloc[:0]}
    with pytest.raises(ValueError, match="figure1: its table 'scores' has no rows in study 'made_up'"):
        render("figure1", empty, made, [str(tmp_path / "x.pdf")])
    with pytest.raises(ValueError, match=r"x.svg: expected one of the formats pdf, png"):
        render("figure1", TABLES["default"], made, [str(tmp_path / "x.svg")])


def test_figure37_dims_what_is_dropped() -> None:
    fig, tables = draw("figure37", "default"), TABLES["default"]
    rows = tables["examples"]
    picture = np.asarray(examples.picture(tables, "imagenet"))
    titles = [axes.get_title() for axes in fig.axes]
    column = titles.index("\nstage 2")  # of the lowest keep rate, in the row of l1
    chosen = rows[(rows.dataset == "imagenet") & (rows.backbone == "deit_small") & (rows.stage == 2)]
    kept = chosen[(chosen.method == "l1") & (chosen.keep_rate == "0.25")].sort_values("token")["kept"]
    mask = np.kron(kept.to_numpy().reshape(14, 14).astype(bool), np.ones((2, 2), dtype=bool))
    shown = fig.axes[column].get_images()[0].get_array()
    np.testing.assert_allclose(shown[mask], picture[mask], atol=1e-6)
    assert (np.asarray(shown)[~mask] >= picture[~mask] - 1e-6).all()
    assert np.abs(shown[~mask] - picture[~mask]).mean() > 0.3


def test_clusters_keep_their_color() -> None:
    first = np.array([[0, 0, 1], [2, 2, 2]])
    second = np.array([[0, 0, 0], [1, 1, 1]])  # takes cluster 1 into the larger cluster 0
    tokens = np.arange(18, dtype=float).reshape(2, 3, 3)
    early, late = examples.cluster_colors(np.stack([first, second]), tokens)
    np.testing.assert_allclose(early[0], tokens[0, :2].mean(axis=0))
    np.testing.assert_allclose(late, early[[0, 2]])


def test_intervals_are_over_seeds_where_there_are_several() -> None:
    made, tables = replace(VIEWS["default"], seeds=(0, 1)), TABLES["default"]
    rows = tables["backbones"]
    again = rows.assign(seed=1, other_seed=1, mean=rows["mean"] + 0.1)
    fig = ARTIFACTS["figure4"].load().draw({**tables, "backbones": pd.concat([rows, again])}, made)
    place = [line.get_label() for line in fig.axes[0].get_lines()].index("Top-K")
    (bar, *_) = fig.axes[0].collections[1 + place].get_segments()
    half = 12.7062 * 0.1 / 2  # t(0.975, 1) times half the difference of two seeds
    assert np.ptp(bar[:, 1]) == pytest.approx(2 * half, rel=1e-4)
    assert "Bars: 95 % intervals over 2 seeds" in ARTIFACTS["figure4"].caption_for(made)
    assert "over test images" in ARTIFACTS["figure4"].caption_for(VIEWS["default"])
    assert "Bars" not in ARTIFACTS["figure5"].caption_for(VIEWS["default"])
    assert "Bars" in ARTIFACTS["figure5"].caption_for(made)
