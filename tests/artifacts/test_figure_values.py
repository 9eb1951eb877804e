"""Single figures show the tables' numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from tests.artifacts.drawn import TABLES, draw
from tests.artifacts.tables import VIEWS
from tokred.artifacts import style
from tokred.artifacts.examples import picture
from tokred.artifacts.registry import ARTIFACTS
from tokred.artifacts.token_pictures import cluster_colors
from tokred.methods.registry import METHODS
from tokred.statistics.rank import average_rank


def lines(fig: Figure, panel: int) -> dict[str, np.ndarray]:
    """Plotted values of each labelled line of a panel."""
    shown = fig.axes[panel].get_lines()
    return {line.get_label(): line.get_ydata() for line in shown if not line.get_label().startswith("_")}


@pytest.mark.parametrize("shape", ["paper", "default"])
@pytest.mark.slow
def test_figure3_shows_the_means(shape: str) -> None:
    rows = TABLES[shape]["keep_rates"]
    drawn = lines(draw("figure3", shape), panel=4)  # homogeneity at stage 2
    rates = sorted(VIEWS[shape].keep_rates, reverse=True)
    pairs = [(high, low) for i, high in enumerate(rates) for low in rates[i + 1 :]]
    assert set(drawn) == {METHODS[name].label for name in VIEWS[shape].methods if METHODS[name].clusters}
    for name in ("sit", "tome"):
        chosen = rows[(rows.method == name) & (rows.metric == "homogeneity") & (rows.stage == 2)]
        mean = chosen.groupby(["keep_rate", "other_keep_rate"])["mean"].mean()
        expected = [mean.get(pair, np.nan) for pair in pairs]
        np.testing.assert_allclose(drawn[METHODS[name].label], expected)
    assert np.isnan(drawn["ToMe"]).any(), "ToMe has no patterns at 25 %: a gap"


@pytest.mark.slow
def test_figure4_shows_the_means_and_bounds() -> None:
    rows = TABLES["default"]["backbones"]
    fig = draw("figure4", "default")
    chosen = rows[(rows.method == "ats") & (rows.metric == "iou") & (rows.stage == 1)]
    expected = chosen.groupby("keep_rate")["mean"].mean()
    np.testing.assert_allclose(lines(fig, 0)["ATS"], expected)
    assert r"$\ell_2$" not in lines(fig, 0), "fixed patterns agree by construction"
    bound, *others = fig.axes[0].collections
    assert len(bound.get_segments()) == len(VIEWS["default"].keep_rates)
    assert len(others) == 2 * len(lines(fig, 0)), "each line has its chance levels and its intervals"


LEVELS = ["figure3", "figure4", *(f"figure{number}" for number in range(8, 12)), "figure13a"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LEVELS)
def test_chance_levels_are_drawn_beside_the_means(name: str) -> None:
    rows = TABLES["default"][ARTIFACTS[name].needs[0]]
    fig = draw(name, "default")
    made, clusters = VIEWS["default"], name in ("figure9", "figure11")
    method, metrics = ("sit", ("homogeneity", "nmi")) if clusters else ("ats", ("ioa", "iou"))
    chosen = rows[(rows.method == method) & rows.metric.isin(metrics) & (rows.stage == 1)]
    if name in ("figure8", "figure9", "figure10", "figure11"):
        chosen = chosen[chosen.dataset == next(iter(made.datasets))]
    if name == "figure13a":
        chosen = chosen[chosen.other_method == "l1"]
    expected = chosen.groupby(["keep_rate", "other_keep_rate"])["chance"].mean()
    levels = [
        np.array(drawn.get_segments())[:, :, 1]
        for drawn in fig.axes[0].collections
        if same_color(drawn.get_colors()[0][:3], METHODS[method].color)
        and drawn.get_alpha() == style.CHANCE["alpha"]
    ]
    assert len(levels) == 1
    np.testing.assert_array_equal(levels[0][:, 0], levels[0][:, 1])
    np.testing.assert_allclose(np.sort(levels[0][:, 0]), np.sort(expected))
    assert "chance level" in {text.get_text() for legend in fig.legends for text in legend.get_texts()}


def test_average_patterns_have_no_chance_level() -> None:
    fig = draw("figure5", "default")
    assert "chance level" not in {text.get_text() for text in fig.legends[0].get_texts()}


@pytest.mark.slow
def test_degenerate_pairs_leave_lines_and_leave_hollow_marks() -> None:
    """A tick of which some pairs say something has their mean; one of which none does has a hollow mark."""
    rows = TABLES["default"]["keep_rates"].copy()
    last = (rows.metric == "homogeneity") & (rows.stage == 3)
    none, some = (
        last & (rows.keep_rate == high) & (rows.other_keep_rate == "0.25") for high in ("0.70", "0.50")
    )
    some &= rows.dataset == "nabirds"
    rows.loc[none | some, ["mean", "chance"]] = 1.0
    rows.loc[none | some, "degenerate"] = True
    fig = ARTIFACTS["figure3"].make({"keep_rates": rows}, VIEWS["default"])
    for name in ("kmedoids", "sit"):
        means = rows[last & (rows.method == name) & ~rows.degenerate].groupby(
            ["keep_rate", "other_keep_rate"]
        )
        expected = means["mean"].mean().reindex([("0.70", "0.50"), ("0.70", "0.25"), ("0.50", "0.25")])
        assert expected.isna().tolist() == [False, True, False]
        np.testing.assert_allclose(lines(fig, 5)[METHODS[name].label], expected)
        (hollow,) = (
            line
            for line in fig.axes[5].get_lines()
            if line.get_label() == "_degenerate" and line.get_markeredgecolor() == METHODS[name].color
        )
        np.testing.assert_array_equal(hollow.get_ydata(), [np.nan, 1.0, np.nan])
        assert (hollow.get_linestyle(), hollow.get_markerfacecolor()) == ("None", "white")
    assert "degenerate pairs" in {text.get_text() for text in fig.legends[0].get_texts()}
    assert "degenerate pairs" not in {
        text.get_text() for text in draw("figure3", "default").legends[0].get_texts()
    }


@pytest.mark.slow
def test_a_panel_of_degenerate_pairs_alone_has_hollow_marks() -> None:
    rows = TABLES["default"]["backbones"]
    rows = rows.assign(degenerate=(rows.metric == "nmi") & (rows.stage == 3))
    fig = ARTIFACTS["figure4"].make({"backbones": rows}, VIEWS["default"])
    assert lines(fig, 5) == {}
    assert {line.get_label() for line in fig.axes[5].get_lines()} == {"_degenerate"}


def test_intervals_are_drawn_around_the_means() -> None:
    rows = TABLES["default"]["keep_rates"]
    fig = draw("figure3", "default")
    drawn = fig.axes[0].get_lines()
    place = [line.get_label() for line in drawn].index("ATS")
    bars = fig.axes[0].collections[2 + 2 * place].get_segments()
    rates = sorted(VIEWS["default"].keep_rates, reverse=True)
    pairs = [(high, low) for i, high in enumerate(rates) for low in rates[i + 1 :]]
    for (high, low), bar in zip(pairs, bars, strict=True):
        chosen = rows[(rows.method == "ats") & (rows.metric == "ioa") & (rows.stage == 1)]
        chosen = chosen[(chosen.keep_rate == high) & (chosen.other_keep_rate == low)]
        # two data sets, in each of them two backbones on the same ten images with std 0.1
        half = 1.959964 * np.sqrt(2 * (0.5 * 0.1 / np.sqrt(10)) ** 2)
        middle = chosen["mean"].mean()
        np.testing.assert_allclose(bar[:, 1], [middle - half, middle + half])


@pytest.mark.slow
def test_figure1_sorts_by_rank() -> None:
    table = average_rank(TABLES["paper"]["scores"])
    labels = [text.get_text() for text in draw("figure1", "paper").axes[0].get_yticklabels()]
    assert labels == [METHODS[name].label for name in table["method"]]


@pytest.mark.parametrize("shape", ["paper", "default"])
@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_figure37_dims_what_is_dropped() -> None:
    fig, tables = draw("figure37", "default"), TABLES["default"]
    rows = tables["examples"]
    image = np.asarray(picture(tables, "imagenet"))
    titles = [axes.get_title() for axes in fig.axes]
    column = titles.index("\nstage 2")  # of the lowest keep rate, in the row of l1
    chosen = rows[(rows.dataset == "imagenet") & (rows.backbone == "deit_small") & (rows.stage == 2)]
    kept = chosen[(chosen.method == "l1") & (chosen.keep_rate == "0.25")].sort_values("token")["kept"]
    mask = np.kron(kept.to_numpy().reshape(14, 14).astype(bool), np.ones((2, 2), dtype=bool))
    shown = fig.axes[column].get_images()[0].get_array()
    np.testing.assert_allclose(shown[mask], image[mask], atol=1e-6)
    assert (np.asarray(shown)[~mask] >= image[~mask] - 1e-6).all()
    assert np.abs(shown[~mask] - image[~mask]).mean() > 0.3


def test_clusters_keep_their_color() -> None:
    first = np.array([[0, 0, 1], [2, 2, 2]])
    second = np.array([[0, 0, 0], [1, 1, 1]])  # takes cluster 1 into the larger cluster 0
    tokens = np.arange(18, dtype=float).reshape(2, 3, 3)
    early, late = cluster_colors(np.stack([first, second]), tokens)
    np.testing.assert_allclose(early[0], tokens[0, :2].mean(axis=0))
    np.testing.assert_allclose(late[:2], early[[0, 2]])


def test_dropped_tokens_are_white_beside_clusters() -> None:
    clusters = np.array([[[0, 0, 1], [2, 2, -1]], [[0, 0, -1], [1, 1, -1]]])
    tokens = np.arange(18, dtype=float).reshape(2, 3, 3)
    early, late = cluster_colors(clusters, tokens)
    np.testing.assert_allclose(early[2], tokens[1, :2].mean(axis=0))
    np.testing.assert_allclose(late[:2], early[[0, 2]])
    assert early[-1].tolist() == late[-1].tolist() == [1, 1, 1]


def test_intervals_are_over_seeds_where_there_are_several() -> None:
    made, tables = replace(VIEWS["default"], seeds=(0, 1)), TABLES["default"]
    rows = tables["backbones"]
    again = rows.assign(seed=1, other_seed=1, mean=rows["mean"] + 0.1)
    fig = ARTIFACTS["figure4"].make({**tables, "backbones": pd.concat([rows, again])}, made)
    place = [line.get_label() for line in fig.axes[0].get_lines()].index("Top-K")
    (bar, *_) = fig.axes[0].collections[2 + 2 * place].get_segments()
    half = 12.7062 * 0.1 / 2  # t(0.975, 1) times half the difference of two seeds
    assert np.ptp(bar[:, 1]) == pytest.approx(2 * half, rel=1e-4)
    assert "Bars: 95 % intervals over 2 seeds" in ARTIFACTS["figure4"].caption_for(made)
    assert "over test images" in ARTIFACTS["figure4"].caption_for(VIEWS["default"])
    assert "Bars" not in ARTIFACTS["figure5"].caption_for(VIEWS["default"])
    assert "Bars" in ARTIFACTS["figure5"].caption_for(made)
