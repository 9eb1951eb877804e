"""What the function of each artifact shows for its arguments: checks by target, from the tables alone.

Each check takes what was made, the tables, the view and the artifact's arguments, as the function does.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from tests.artifacts.tables import SEARCHED
from tokred.methods.registry import METHODS, Family
from tokred.metrics.registry import METRICS
from tokred.presentation.table import Table
from tokred.study.view import View

Tables = Mapping[str, pd.DataFrame]
_RUN = ["dataset", "backbone", "method", "keep_rate", "seed"]
#: Backbones in the order of Table 1, 7a and 7b, by how many a study has.
_TABLE_ORDER = {
    1: ["deit_tiny"],
    2: ["deit_small", "deit_tiny"],
    3: ["deit_small", "deit_base", "deit_tiny"],
}


def grid(fig: Figure, rows: int) -> NDArray:
    """(rows, columns) panels of a figure."""
    panels = [axes for axes in fig.axes if axes.get_label() != "<colorbar>"]
    assert len(panels) % rows == 0
    return np.array(panels, dtype=object).reshape(rows, -1)


def labelled(axes: Axes) -> dict[str, NDArray]:
    """(2, points) of each line with a label."""
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): np.array(line.get_data(), dtype=float) for line in lines}


def learned(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of methods that choose from the image."""
    return rows[[METHODS[name].family is not Family.FIXED for name in rows["method"]]]


def shows_means(axes: Axes, rows: pd.DataFrame, ascending: bool = True) -> None:
    """A panel has a line for each method, through the means at each keep rate (or pair of them)."""
    rates = ["keep_rate", "other_keep_rate"]
    expected = {
        METHODS[name].label: of_method.groupby(rates)["mean"].mean().sort_index(ascending=ascending)
        for name, of_method in rows.groupby("method")
    }
    drawn = labelled(axes)
    assert set(drawn) == set(expected)
    for label, (_, y) in drawn.items():
        assert np.isfinite(y).sum() == len(expected[label])
        np.testing.assert_allclose(y[np.isfinite(y)], expected[label])


def rows_of_panels(
    fig: Figure, view: View, panel_rows: Sequence[tuple[str, pd.DataFrame]], ascending: bool = True
) -> None:
    """A column for each stage."""
    panels = grid(fig, len(panel_rows))
    assert panels.shape[1] == len(view.locations)
    for (label, rows), line_of_panels in zip(panel_rows, panels, strict=True):
        assert line_of_panels[0].get_ylabel() == label
        for stage, axes in enumerate(line_of_panels, 1):
            shows_means(axes, rows[rows["stage"] == stage], ascending)


def _by_metric(
    rows: pd.DataFrame, view: View, metrics: Sequence[str], per_dataset: bool
) -> list[tuple[str, pd.DataFrame]]:
    found = []
    for metric in metrics:
        chosen, label = learned(rows[rows["metric"] == metric]), METRICS[metric].label
        if per_dataset:
            found += [(f"{view.datasets[d]}\n{label}", chosen[chosen["dataset"] == d]) for d in view.datasets]
        else:
            found.append((label, chosen))
    return found


def check_keep_rates(
    fig: Figure, tables: Tables, view: View, metrics: Sequence[str], per_dataset: bool = False
) -> None:
    rows_of_panels(fig, view, _by_metric(tables["keep_rates"], view, metrics, per_dataset), ascending=False)


def check_backbones(
    fig: Figure, tables: Tables, view: View, metrics: Sequence[str], per_dataset: bool = False
) -> None:
    rows_of_panels(fig, view, _by_metric(tables["backbones"], view, metrics, per_dataset))


def check_fixed(fig: Figure, tables: Tables, view: View, pattern: str) -> None:
    rows = tables["fixed"]
    chosen = rows[(rows["other_method"] == pattern) & (rows["metric"] == "iou")]
    rows_of_panels(fig, view, [(f"IoU with {METHODS[pattern].label}", chosen)])


def _pairs_of_datasets(fig: Figure, view: View, panel_rows: Sequence[tuple[str, pd.DataFrame]]) -> None:
    pairs = list(combinations(view.datasets, 2))
    panels = grid(fig, len(panel_rows))
    for (first, second), axes in zip(pairs, panels[0], strict=True):
        assert axes.get_title() == f"{view.datasets[first]}\n{view.datasets[second]}"
    for (label, rows), line_of_panels in zip(panel_rows, panels, strict=True):
        assert line_of_panels[0].get_ylabel() == label
        both = [frozenset(pair) for pair in zip(rows["dataset"], rows["other_dataset"], strict=True)]
        for pair, axes in zip(pairs, line_of_panels, strict=True):
            shows_means(axes, rows[[found == frozenset(pair) for found in both]])


def check_pairs_by_backbone(fig: Figure, tables: Tables, view: View, metric: str) -> None:
    rows = learned(tables["datasets"])
    rows = rows[rows["metric"] == metric]
    label = METRICS[metric].label
    by_backbone = [(f"{view.backbones[b]}\n{label}", rows[rows["backbone"] == b]) for b in view.backbones]
    _pairs_of_datasets(fig, view, by_backbone)


def check_pairs_by_metric(fig: Figure, tables: Tables, view: View, metrics: Sequence[str]) -> None:
    rows = learned(tables["datasets"])
    by_metric = [(METRICS[metric].label, rows[rows["metric"] == metric]) for metric in metrics]
    _pairs_of_datasets(fig, view, by_metric)


def check_proxies(fig: Figure, tables: Tables, view: View, panels: Sequence[tuple[str, str]]) -> None:
    rows = tables["proxies"]
    rows = rows[rows["correlation"] == "spearman"]
    for (measure, anchor), line_of_panels in zip(panels, grid(fig, len(panels)), strict=True):
        name = f"{METRICS[measure].label}\n{METHODS[anchor].label}\n"
        assert line_of_panels[0].get_ylabel().startswith(name)
        of_row = rows[(rows["measure"] == measure) & (rows["method"] == anchor)]
        for backbone, axes in zip(view.backbones, line_of_panels, strict=True):
            means = of_row[of_row["backbone"] == backbone].groupby(["keep_rate", "stage"])["value"].mean()
            shown = axes.images[0].get_array().filled(np.nan)
            assert shown.shape == (len(view.keep_rates), 4)
            for (rate, stage), value in means.items():
                np.testing.assert_allclose(shown[view.keep_rates.index(rate), stage - 1], value)
            assert np.isfinite(shown).sum() == len(means)


def check_scatter(
    fig: Figure, tables: Tables, view: View, pairs: str, measure: str, anchor: str, place: int
) -> None:
    backbone = list(view.backbones)[place]
    label = f"{METRICS[measure].label} to {METHODS[anchor].label}, {view.backbones[backbone]}"
    assert label in {axes.get_xlabel() for axes in fig.axes}
    score = {tuple(row[:5]): row[5] for row in tables["scores"][[*_RUN, "score"]].itertuples(index=False)}
    rows = tables[pairs]
    rows = rows[(rows["metric"] == measure) & (rows["method"] == anchor) & (rows["backbone"] == backbone)]
    for dataset, line_of_panels in zip(view.datasets, grid(fig, len(view.datasets)), strict=True):
        for stage, axes in enumerate(line_of_panels, 1):
            expected: dict[str, list[tuple[float, float]]] = {}
            for _, row in rows[(rows["dataset"] == dataset) & (rows["stage"] == stage)].iterrows():
                run, other = (tuple(row[f"{which}{key}"] for key in _RUN) for which in ("", "other_"))
                point = (row["mean"], score[run] - score[other])
                expected.setdefault(METHODS[row["other_method"]].label, []).append(point)
            drawn = labelled(axes)
            assert set(drawn) == set(expected)
            for name, points in expected.items():
                np.testing.assert_allclose(sorted(drawn[name].T.tolist()), sorted(points))


def check_depth_maps(fig: Figure, tables: Tables, view: View, method: str) -> None:
    rows = tables["depth"]
    rows = rows[rows["method"] == method].sort_values("token")
    panels = grid(fig, len(view.datasets))
    assert panels.shape[1] == len(view.backbones) * len(view.keep_rates)
    for dataset, line_of_panels in zip(view.datasets, panels, strict=True):
        columns = [(backbone, rate) for backbone in view.backbones for rate in view.keep_rates]
        for (backbone, rate), axes in zip(columns, line_of_panels, strict=True):
            chosen = (rows["dataset"] == dataset) & (rows["backbone"] == backbone)
            depth = rows.loc[chosen & (rows["keep_rate"] == rate), "depth"]
            np.testing.assert_array_equal(axes.images[0].get_array().ravel(), depth)


def _picture(tables: Tables, dataset: str, place: int) -> NDArray:
    rows = tables["pictures"]
    (data,) = rows.loc[(rows["dataset"] == dataset) & (rows["place"] == place), "image"]
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255


def check_images(fig: Figure, tables: Tables, view: View) -> None:
    for dataset, line_of_panels in zip(view.datasets, grid(fig, len(view.datasets)), strict=True):
        assert line_of_panels[0].get_ylabel() == view.datasets[dataset]
        for place, axes in enumerate(line_of_panels):
            np.testing.assert_allclose(
                axes.images[0].get_array(), _picture(tables, dataset, place), atol=1e-6
            )
            assert axes.get_xlabel().startswith(f"class {place}")


def check_patterns(fig: Figure, tables: Tables, view: View, place: int, part: str) -> None:
    dataset, image = list(view.datasets)[place], _picture(tables, list(view.datasets)[place], 0)
    rows = tables["examples"]
    chosen = (rows["dataset"] == dataset) & (rows["backbone"] == _TABLE_ORDER[len(view.backbones)][0])
    rows = rows[chosen].sort_values("token").set_index(["method", "keep_rate", "stage"]).sort_index()
    methods = [name for name in view.methods if getattr(METHODS[name], part)]
    for name, line_of_panels in zip(methods, grid(fig, len(methods)), strict=True):
        assert line_of_panels[0].get_ylabel() == METHODS[name].label
        np.testing.assert_allclose(line_of_panels[0].images[0].get_array(), image, atol=1e-6)
        columns = [(rate, stage) for rate in view.keep_rates for stage in (1, 2, 3)]
        for (rate, stage), axes in zip(columns, line_of_panels[1:], strict=True):
            if not METHODS[name].can_keep(rate):
                assert [text.get_text() for text in axes.texts] == ["–"]
                continue
            of_panel = rows.loc[(name, rate, stage)].sort_values("token")
            shown = np.asarray(axes.images[0].get_array())
            if part == "kept":
                _dims(shown, image, of_panel["kept"].to_numpy(dtype=bool))
            else:
                _has_regions(shown, image, of_panel["cluster"].to_numpy(dtype=int), first=stage == 1)


def _dims(shown: NDArray, image: NDArray, kept: NDArray) -> None:
    """The image as it is where tokens are kept, and lighter elsewhere; tokens are 2 x 2 pixels."""
    mask = np.kron(kept.reshape(14, 14), np.ones((2, 2), dtype=bool))
    np.testing.assert_allclose(shown[mask], image[mask], atol=1e-6)
    dark = image[~mask] < 0.9
    assert (shown[~mask][dark] > image[~mask][dark]).all()


def _has_regions(shown: NDArray, image: NDArray, clusters: NDArray, first: bool) -> None:
    """One color for each cluster; at the first stage the mean of its tokens."""
    tokens = image.reshape(14, 2, 14, 2, 3).mean(axis=(1, 3)).reshape(196, 3)
    colors = shown.reshape(196, 3)
    for cluster in np.unique(clusters):
        inside = colors[clusters == cluster]
        assert np.ptp(inside, axis=0).max() < 1e-6
        if first:
            np.testing.assert_allclose(inside[0], tokens[clusters == cluster].mean(axis=0), atol=1e-6)


def _average_ranks(scores: pd.DataFrame) -> dict[str, float]:
    """By method, one more than how many others are better, averaged over settings."""
    found: dict[str, list[int]] = {}
    for _, rows in scores[scores["method"] != "none"].groupby(["dataset", "backbone", "keep_rate", "seed"]):
        for name, score in zip(rows["method"], rows["score"], strict=True):
            found.setdefault(name, []).append(1 + int((rows["score"] > score).sum()))
    return {name: float(np.mean(ranks)) for name, ranks in found.items()}


def check_ranks(fig: Figure, tables: Tables, view: View) -> None:
    (axes,) = fig.axes
    expected = {METHODS[name].label: rank for name, rank in _average_ranks(tables["scores"]).items()}
    shown = [text.get_text() for text in axes.get_yticklabels()]
    points = [container.lines[0].get_xdata()[0] for container in axes.containers]
    assert sorted(points) == points
    assert dict(zip(shown, points, strict=True)) == pytest.approx(expected)


def check_actual_keep_rates(fig: Figure, tables: Tables, view: View) -> None:
    methods = [name for name in view.methods if METHODS[name].dynamic]
    rows = tables["summary"]
    for name, line_of_panels in zip(methods, grid(fig, len(methods)), strict=True):
        of_method = rows[(rows["method"] == name) & (rows["metric"] == "actual_keep_rate")]
        for (dataset, label), axes in zip(view.datasets.items(), line_of_panels, strict=True):
            assert axes.get_title() == f"{METHODS[name].label}: {label}"
            means = of_method[of_method["dataset"] == dataset].groupby(["keep_rate", "stage"])["mean"].mean()
            lines = [line.get_ydata() for line in axes.get_lines()]
            for rate, nominal, actual in zip(view.keep_rates, lines[::2], lines[1::2], strict=True):
                np.testing.assert_allclose(nominal, [float(rate) ** stage for stage in (1, 2, 3)])
                np.testing.assert_allclose(actual, means[rate])


def check_comparison(fig: Figure, tables: Tables, view: View) -> None:
    left, right = fig.axes
    here, there = (_average_ranks(tables[name]) for name in ("scores", "reference"))
    expected = {METHODS[name].label: [[there[name]], [here[name]]] for name in here}
    drawn = labelled(left)
    assert set(drawn) == set(expected)
    for label, (reference, score) in drawn.items():
        np.testing.assert_allclose([reference, score], expected[label])
    both = tables["scores"].merge(tables["reference"], on=_RUN, suffixes=("", "_there"))
    for name, rows in both.groupby("method"):
        points = sorted(rows[["score_there", "score"]].to_numpy().tolist())
        np.testing.assert_allclose(sorted(labelled(right)[METHODS[name].label].T.tolist()), points)


def _percent(rate: str) -> str:
    return f"{100 * float(rate):g}%"


def check_performance(table: Table, tables: Tables, view: View, position: int) -> None:
    backbone = _TABLE_ORDER[len(view.backbones)][position]
    assert table.title == f"Performance with {view.backbones[backbone]}"
    rows = tables["scores"]
    score = rows[rows["backbone"] == backbone].set_index(["method", "dataset", "keep_rate"])["score"]
    assert list(table.values.index) == [METHODS[name].label for name in ("none", *view.methods)]
    for dataset, label in view.datasets.items():
        for rate in view.keep_rates:
            column = table.values[label, _percent(rate)]
            for name in ("none", *view.methods):
                found = score.get((name, dataset, "1.00" if name == "none" else rate), np.nan)
                np.testing.assert_allclose(column[METHODS[name].label], found)


def check_differences(table: Table, tables: Tables, view: View) -> None:
    both = tables["scores"].merge(tables["reference"], on=_RUN, suffixes=("", "_there"))
    for row in both.itertuples():
        shown = table.values.loc[
            f"{view.backbones[row.backbone]} {METHODS[row.method].label}",
            (view.datasets[row.dataset], _percent(row.keep_rate)),
        ]
        np.testing.assert_allclose(shown, row.score - row.score_there)
    assert table.values.notna().to_numpy().sum() == len(both)


def check_orders(table: Table, tables: Tables, view: View) -> None:
    """Every number again with pandas' own ranks."""
    here, there = tables["scores"], tables["reference"]
    shown = table.values.astype(float)
    pairs = there[["dataset", "backbone"]].drop_duplicates().itertuples(index=False)
    expected = {f"{pair.backbone}, {pair.dataset}": pair for pair in pairs}
    assert list(shown.index) == [*expected, "average over all"]
    for label, pair in expected.items():
        rows = there[(there["dataset"] == pair.dataset) & (there["backbone"] == pair.backbone)]
        ranks = pd.DataFrame({"here": _shared_ranks(here, rows), "there": _shared_ranks(rows, here)})
        correlation = ranks["here"].corr(ranks["there"], method="spearman")
        found, low, high = shown.loc[label]
        np.testing.assert_allclose(found, correlation)
        assert np.isnan(found) or low <= found <= high


def _shared_ranks(scores: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Average rank of each method that both have, at the keep rates that both have."""
    reduced = scores[scores["method"] != "none"]
    both = reduced["method"].isin(other["method"]) & reduced["keep_rate"].isin(other["keep_rate"])
    reduced = reduced[both]
    settings = reduced.groupby(["dataset", "backbone", "keep_rate", "seed"])["score"]
    return settings.rank(ascending=False, method="min").groupby(reduced["method"]).mean()


def check_off_the_shelf(table: Table, tables: Tables, view: View) -> None:
    """Published numbers of every row, and the study's own where it has a run."""
    labels = ["deit-small ToMe, 4 G", "deit-small ToMe, 2.3 G", "deit-small New, 2.3 G"]
    assert table.values.index.tolist() == labels
    rows = tables["off_the_shelf"].iloc[[1, 0, 2]]
    assert table.values["Published", "GMACs"].tolist() == [4.0, 2.3, 2.3]
    np.testing.assert_allclose(table.values["Published", "top-1"], rows["score"])
    np.testing.assert_allclose(table.values["Published", "change"], rows["score"] - rows["unreduced"])
    scores = tables["scores"].set_index(["backbone", "method", "keep_rate"])["score"]
    here, unreduced = scores["deit_small", "tome", "0.50"], scores["deit_small", "none", "1.00"]
    own = table.values["This study"]
    np.testing.assert_allclose(own["top-1"], [np.nan, here, np.nan])
    np.testing.assert_allclose(own["change"], [np.nan, here - unreduced, np.nan])
    np.testing.assert_allclose(own["GMACs"].astype(float), [np.nan, 2.4, np.nan])
    assert own["keep rate"].tolist() == ["-", "50%", "-"]
    assert "MaMe: README of cominder/mame" in table.note


def check_grid(table: Table, tables: Tables, view: View) -> None:
    assert table.values.iloc[:, 0].tolist() == [f"{name}1, {name}2" for name in SEARCHED]


def check_datasets(table: Table, tables: Tables, view: View) -> None:
    assert [label for _, label in table.values.columns] == list(view.datasets.values())
    for dataset, (_, column) in zip(view.datasets, table.values.items(), strict=True):
        assert column["Epochs"] == f"epochs-{dataset}"
        assert column["Batch size"] == f"batch_size-{dataset}"
        assert (column["Loss"], column["ASL clip"]) == ("cross-entropy", "-")
        assert f"Mixup (mixup-{dataset})" in column["Augmentations"]


def check_methods(table: Table, tables: Tables, view: View) -> None:
    first, shown = next(iter(view.datasets)), ("warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")
    for name in view.methods:
        assert table.values.loc[METHODS[name].plain_label].tolist() == [
            f"{setting}-{first}-{name}-{rate}" if METHODS[name].can_keep(rate) else "-"
            for rate in view.keep_rates
            for setting in shown
        ]


def check_unreduced(table: Table, tables: Tables, view: View) -> None:
    for dataset, label in view.datasets.items():
        assert table.values.loc[label].tolist() == [f"{setting}-{dataset}-none-1.00" for setting in SEARCHED]


def check_sources(table: Table, tables: Tables, view: View) -> None:
    _, *others = view.datasets.values()
    for place, name in enumerate(view.methods):
        for label in others:
            for rate in view.keep_rates:
                source = "D" if place % 2 else "I"
                expected = source if METHODS[name].can_keep(rate) else "-"
                assert table.values.loc[METHODS[name].plain_label, (label, _percent(rate))] == expected


def check_object_recall(fig: Figure, tables: Tables, view: View) -> None:
    rows, scores = tables["object_recall"], tables["scores"].set_index(_RUN)["score"]
    metrics = ("object_recall", "object_purity")
    metrics = [metric for metric in metrics if (rows["metric"] == metric).any()]
    panels = grid(fig, len(metrics))
    assert panels.shape[1] == len(view.keep_rates) + 1
    for metric, (*of_rates, against) in zip(metrics, panels, strict=True):
        chosen = rows[rows["metric"] == metric]
        assert of_rates[0].get_ylabel() == METRICS[metric].label
        for rate, axes in zip(view.keep_rates, of_rates, strict=True):
            of_rate = chosen[chosen["keep_rate"] == rate]
            drawn = labelled(axes)
            assert set(drawn) == {METHODS[name].label for name in of_rate["method"]}
            for name, of_method in of_rate.groupby("method"):
                expected = of_method.groupby("stage")["mean"].mean()
                np.testing.assert_allclose(drawn[METHODS[name].label][1], expected)
        last = chosen[chosen["stage"] == len(view.locations)]
        reduced = scores.loc[list(last[_RUN].itertuples(index=False, name=None))].to_numpy()
        models = last[["dataset", "backbone", "seed"]].itertuples(index=False, name=None)
        unreduced = [scores.loc[(d, b, "none", "1.00", s)] for d, b, s in models]
        last = last.assign(change=reduced - unreduced)
        drawn = labelled(against)
        for name, of_method in last.groupby("method"):
            expected = of_method.groupby("keep_rate")[["change", "mean"]].mean()
            np.testing.assert_allclose(drawn[METHODS[name].label], expected.to_numpy().T)


def _loss(tables: Tables, model: tuple[str, str], corruption: str, severity: int) -> float:
    """Percent of its performance on clean images that a model gains or loses under a corruption."""
    clean, corrupted = (
        rows[(rows["method"] == model[0]) & (rows["keep_rate"] == model[1])]
        for rows in (tables["scores"], tables["robustness"])
    )
    chosen = corrupted[(corrupted["corruption"] == corruption) & (corrupted["severity"] == severity)]
    assert len(chosen) == len(clean) > 0
    return 100 * (chosen["score"].sum() / clean["score"].sum() - 1)


def check_robustness(fig: Figure, tables: Tables, view: View) -> None:
    panels = grid(fig, len(view.keep_rates))
    for rate, line_of_panels in zip(view.keep_rates, panels, strict=True):
        names = ["none", *(name for name in view.methods if METHODS[name].can_keep(rate))]
        ticks = [text.get_text() for text in line_of_panels[0].get_yticklabels()]
        assert ticks == [METHODS[name].label for name in names]
        for corruption, axes in zip(
            ("noise", "blur", "brightness", "occlusion"), line_of_panels, strict=True
        ):
            if rate == view.keep_rates[0]:
                assert axes.get_title().lower() == corruption
            drawn = [line.get_data() for line in axes.get_lines() if line.get_label() == "_method"]
            for place, (name, line) in enumerate(zip(names, drawn, strict=True)):
                model = (name, "1.00" if name == "none" else rate)
                expected = [_loss(tables, model, corruption, severity) for severity in (1, 2, 3)]
                np.testing.assert_allclose(line, [expected, [place] * 3])
                if name == "none":
                    (dashed,) = [line for line in axes.get_lines() if line.get_label() == "_unreduced"]
                    np.testing.assert_allclose(dashed.get_xdata(), expected[-1])


def _of_models(view: View) -> Iterator[tuple[str, str, str]]:
    """Label of the row, method and keep rate of every model."""
    yield "Unreduced", "none", "1.00"
    for name in view.methods:
        for rate in view.keep_rates:
            if METHODS[name].can_keep(rate):
                yield f"{METHODS[name].label} {_percent(rate)}", name, rate


def check_corruptions(table: Table, tables: Tables, view: View) -> None:
    scores, columns = tables["scores"], [head for _, head in table.values]
    assert columns == ["clean", "Noise", "Blur", "Brightness", "Occlusion", "mean"]
    assert list(table.values.index) == [label for label, _, _ in _of_models(view)]
    for label, name, rate in _of_models(view):
        clean = scores.loc[(scores["method"] == name) & (scores["keep_rate"] == rate), "score"].mean()
        means = [
            np.mean([_loss(tables, (name, rate), c.lower(), severity) for severity in (1, 2, 3)])
            for c in columns[1:-1]
        ]
        np.testing.assert_allclose(table.values.loc[label], [clean, *means, np.mean(means)])
    above = table.values > table.values.loc["Unreduced"]
    pd.testing.assert_frame_equal(table.bold, above)


def check_calibration(table: Table, tables: Tables, view: View) -> None:
    rows = tables["calibration"]
    assert list(table.values.index) == [label for label, _, _ in _of_models(view)]
    for label, name, rate in _of_models(view):
        for dataset, heading in view.datasets.items():
            chosen = rows[
                (rows["method"] == name) & (rows["keep_rate"] == rate) & (rows["dataset"] == dataset)
            ]
            expected = [chosen["calibration_error"].mean(), chosen["if_calibrated"].mean()]
            expected += [(chosen["confidence"] - chosen["accuracy"]).mean()]
            np.testing.assert_allclose(table.values.loc[label, heading], expected)
            errors = table.values[heading, "error"]
            smaller = errors[label] < errors["Unreduced"]
            assert list(table.bold.loc[label, heading]) == [smaller, False, False]


_COST_LABELS = {"macs": "GMACs per image", "throughput": "images per second"}
_COST_LABELS |= {"latency": "latency of one image (ms)"}


def _model_costs(tables: Tables, cost: str, dataset: str) -> dict[tuple, float]:
    """By backbone, method and keep rate: GMACs, the best throughput or milliseconds."""
    model = ["backbone", "method", "keep_rate"]
    if cost == "macs":
        rows = tables["macs"]
        return {
            key: value / 1e9
            for key, value in rows[rows["dataset"] == dataset].set_index(model)["total"].items()
        }
    found: dict[tuple, float] = {}
    for row in tables["efficiency"].to_dict("records"):
        key = tuple(row[name] for name in model)
        if cost == "throughput":
            found[key] = max(found.get(key, 0), row["batch_size"] / row["seconds"])
        elif row["batch_size"] == 1:
            found[key] = 1000 * row["seconds"]
    return found


def check_pareto(fig: Figure, tables: Tables, view: View, cost: str) -> None:
    assert len(fig.axes) == len(view.datasets)
    for (dataset, label), axes in zip(view.datasets.items(), fig.axes, strict=True):
        assert (axes.get_title(), axes.get_xlabel()) == (label, _COST_LABELS[cost])
        rows = tables["scores"][tables["scores"]["dataset"] == dataset]
        score = rows.set_index(["backbone", "method", "keep_rate"])["score"].to_dict()
        costs = _model_costs(tables, cost, dataset)
        lines: dict[str, list] = {}
        for line in axes.get_lines():
            lines.setdefault(line.get_label(), []).append(np.transpose(line.get_data()).tolist())
        for name in ("none", *view.methods):
            expected = []
            for backbone in view.backbones:
                keys = sorted(key for key in score if key[:2] == (backbone, name))
                keys += [] if name == "none" else [(backbone, "none", "1.00")]
                expected.append([[costs[key], score[key]] for key in keys])
            np.testing.assert_allclose(
                np.concatenate(lines[METHODS[name].label]), np.concatenate(expected), rtol=1e-12
            )
        sign = -1 if cost == "throughput" else 1
        front = [
            (costs[key], value)
            for key, value in score.items()
            if not any(
                sign * costs[other] <= sign * costs[key] and worth >= value and other != key
                for other, worth in score.items()
            )
        ]
        (rings,) = axes.collections
        np.testing.assert_allclose(rings.get_offsets(), sorted(front))


def check_reduction_time(fig: Figure, tables: Tables, view: View) -> None:
    rows = tables["efficiency"]
    rows = rows[rows["batch_size"] == (8 if "topk" in view.methods else 64)]
    for (backbone, label), axes in zip(view.backbones.items(), fig.axes, strict=True):
        assert axes.get_title() == f"{label}, batches of {rows['batch_size'].iloc[0]}"
        share = rows[rows["backbone"] == backbone].set_index(["method", "keep_rate"])["reduction_share"]
        drawn = labelled(axes)
        assert set(drawn) == {METHODS[name].label for name in view.methods}
        for name in view.methods:
            rates = [rate for rate in view.keep_rates if METHODS[name].can_keep(rate)]
            expected = [[view.keep_rates.index(rate), 100 * share[name, rate]] for rate in rates]
            np.testing.assert_allclose(drawn[METHODS[name].label].T, expected)


def check_agreement(fig: Figure, tables: Tables, view: View) -> None:
    panels = grid(fig, len(view.datasets))
    for dataset, line_of_panels in zip(view.datasets, panels, strict=True):
        for backbone, axes in zip(view.backbones, line_of_panels, strict=True):
            assert axes.get_title() == f"{view.datasets[dataset]}, {view.backbones[backbone]}"
            rows = tables["agreement"]
            rows = rows[(rows["dataset"] == dataset) & (rows["backbone"] == backbone)]
            drawn = labelled(axes)
            assert set(drawn) == {METHODS[name].label for name in view.methods}
            for name, of_method in rows.groupby("method"):
                _, y = drawn[METHODS[name].label]
                mean = of_method.set_index("keep_rate")["mean"].reindex(view.keep_rates)
                np.testing.assert_allclose(y, 100 * mean)


def check_matched_budget(table: Table, tables: Tables, view: View) -> None:
    """At the cost of the most expensive method, every number again by a line between two models."""
    key = ["dataset", "backbone", "method", "keep_rate"]
    macs, score = (tables[name].set_index(key)[of] for name, of in (("macs", "total"), ("scores", "score")))
    for dataset, label in view.datasets.items():
        for backbone in view.backbones:
            for rate in view.keep_rates:
                able = [name for name in view.methods if METHODS[name].can_keep(rate)]
                budget = max(macs[dataset, backbone, name, rate] for name in able)
                for name in view.methods:
                    rates = [r for r in view.keep_rates if METHODS[name].can_keep(r)]
                    models = [(name, r) for r in rates] + [("none", "1.00")]
                    cost = [macs[(dataset, backbone, *model)] for model in models]
                    worth = [score[(dataset, backbone, *model)] for model in models]
                    above = next(place for place, value in enumerate(cost) if value >= budget * (1 - 1e-12))
                    found = table.values.loc[
                        f"{view.backbones[backbone]} {METHODS[name].label}", (label, _percent(rate))
                    ]
                    if above == 0:
                        expected = worth[0] if cost[0] == pytest.approx(budget) else np.nan
                    else:
                        step = (budget - cost[above - 1]) / (cost[above] - cost[above - 1])
                        expected = (1 - step) * worth[above - 1] + step * worth[above]
                    np.testing.assert_allclose(found, expected)


CHECKS: dict[str, Callable[..., None]] = {
    "ranks:draw": check_ranks,
    "comparison:draw": check_comparison,
    "lines:draw_keep_rates": check_keep_rates,
    "lines:draw_backbones": check_backbones,
    "lines:draw_fixed": check_fixed,
    "actual_keep_rates:draw": check_actual_keep_rates,
    "object_recall:draw": check_object_recall,
    "robustness:draw": check_robustness,
    "robustness:make": check_corruptions,
    "robustness:make_calibration": check_calibration,
    "dataset_pairs:draw_backbones": check_pairs_by_backbone,
    "dataset_pairs:draw_metrics": check_pairs_by_metric,
    "depth_maps:draw": check_depth_maps,
    "proxy_grid:draw": check_proxies,
    "scatter:draw": check_scatter,
    "examples:draw_images": check_images,
    "examples:draw_patterns": check_patterns,
    "performance_table:make": check_performance,
    "pareto:draw": check_pareto,
    "pareto:draw_share": check_reduction_time,
    "matched_budget:make": check_matched_budget,
    "agreement:draw": check_agreement,
    "differences:make": check_differences,
    "orders:make": check_orders,
    "off_the_shelf:make": check_off_the_shelf,
    "settings_tables:searched_grid": check_grid,
    "settings_tables:of_datasets": check_datasets,
    "settings_tables:of_methods": check_methods,
    "settings_tables:of_unreduced": check_unreduced,
    "settings_tables:sources": check_sources,
}
