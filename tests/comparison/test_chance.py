"""Chance levels and degenerate pairs in the tables of pairs, from pattern tables through the comparisons."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from benchmarks.study import lists, write_features
from tokred.comparison.job import make
from tokred.comparison.proxies import correlate
from tokred.comparison.summary import summarize
from tokred.metrics.chance import chance_adjusted
from tokred.metrics.sets import expected_iou
from tokred.run import RUN_COLUMNS, Run
from tokred.tables import batch_writer, schemas
from tokred.tables.patterns import numbered_clusters, pattern_schema
from tokred.tables.registry import TABLES

IMAGES, TOKENS = 50, 36


def write(
    folder: Path,
    run: Run,
    survived: NDArray | None,
    clusters: list[NDArray],
    order: NDArray | None = None,
    **more: object,
) -> str:
    """A table of patterns of one stage on a grid of 6 x 6 tokens; its images in the given order."""
    order = np.arange(IMAGES) if order is None else order
    schema = pattern_schema(TOKENS, 1, kept=survived is not None, clusters=bool(clusters), margin=False)
    parts = {} if survived is None else {"survived": survived.astype(np.uint8)}
    if clusters:
        parts["cluster_1"] = numbered_clusters(clusters[0]).astype(np.int8)
    columns = {name: pa.array([getattr(run, name)] * IMAGES) for name in RUN_COLUMNS}
    columns["image_id"] = pa.array([f"image {number}" for number in order])
    columns |= {name: lists(values[order]) for name, values in parts.items()}
    facts = {"run": vars(run), "locations": [3], "grid": [6, 6], "depth": 12, **more}
    path = folder / f"{run.key}.parquet"
    with batch_writer.open_writer(path, schema, facts) as writer:
        writer.add(columns)
    return str(path)


def pairs(axis: str, files: list[str]) -> pd.DataFrame:
    compare = importlib.import_module(f"tokred.comparison.{axis}").compare
    return pd.DataFrame(compare({TABLES[axis].inputs[0]: files}))


def random_sets(rng: np.random.Generator, size: int) -> NDArray:
    """(IMAGES, TOKENS) flags, `size` of them set in every image."""
    return rng.permuted(np.tile(np.arange(TOKENS) < size, (IMAGES, 1)), axis=1)


def test_sets_have_the_analytic_chance_level(tmp_path: Path, rng: np.random.Generator) -> None:
    """Of a dynamic method, too, whose numbers of tokens vary over images."""
    ats = rng.random((IMAGES, TOKENS)) < rng.uniform(0.2, 0.8, (IMAGES, 1))
    topk = {rate: random_sets(rng, size) for rate, size in (("0.50", 18), ("0.90", 32))}
    files = [write(tmp_path, Run("d", "b", "topk", rate, 0), kept, []) for rate, kept in topk.items()]
    files.append(write(tmp_path, Run("d", "b", "ats", "0.50", 0), ats, []))
    (row,) = pairs("keep_rates", files).to_dict("records")
    assert row["chance"] == pytest.approx(32 / 36)
    assert row["bound"] == pytest.approx((32 + 18 - 36) / 18)
    (row,) = pairs("methods", files).to_dict("records")
    assert row["chance"] == pytest.approx(expected_iou(topk["0.50"], ats).mean())
    assert abs(row["mean"] - row["chance"]) < 4 * row["std"] / np.sqrt(IMAGES)
    assert not row["degenerate"]


def test_numbers_of_tokens_are_those_of_the_runs_schedules(tmp_path: Path, rng: np.random.Generator) -> None:
    """And not r P."""
    sizes = {"0.50": 20, "0.90": 30}
    files = [
        write(tmp_path, Run("d", "b", "topk", rate, 0), random_sets(rng, size), [], kept=[size])
        for rate, size in sizes.items()
    ]
    (row,) = pairs("keep_rates", files).to_dict("records")
    assert row["bound"] == pytest.approx((30 + 20 - 36) / 20)
    files.append(write(tmp_path, Run("d", "other", "topk", "0.90", 0), random_sets(rng, 28), [], kept=[28]))
    (row,) = pairs("backbones", files).to_dict("records")
    assert row["bound"] == pytest.approx((30 + 28 - 36) / 36)
    labels = np.tile(np.arange(TOKENS) // 3, (IMAGES, 1))  # 12 clusters
    for kept, expected in (({"kept": [24]}, 0.5), ({}, 12 / 18)):
        file = write(tmp_path, Run("d", "b", "tome", "0.50", 0), None, [labels], **kept)
        summary, _ = summarize({"patterns": [file]})
        (found,) = [row["mean"] for row in summary if row["metric"] == "non_empty_clusters"]
        assert found == pytest.approx(expected)


def test_clusterings_have_the_chance_level_of_permuted_tokens(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Unrelated clusters are at it, equal ones far above; the order of images does not matter."""
    fine, unrelated = rng.integers(0, 12, (2, IMAGES, TOKENS))
    made = {"0.90": fine, "0.70": fine, "0.50": unrelated}
    order = rng.permutation(IMAGES)
    found = [
        pairs(
            "keep_rates",
            [
                write(tmp_path / name, Run("d", "b", "sit", rate, 0), None, [clusters], images)
                for rate, clusters in made.items()
            ],
        )
        for name, images in (("in order", None), ("in another", order))
    ]
    pd.testing.assert_frame_equal(found[0], found[1], rtol=1e-12)
    rows = found[0][found[0]["metric"] == "homogeneity"].set_index(["keep_rate", "other_keep_rate"])
    assert not rows["degenerate"].any()
    adjusted = chance_adjusted(rows["mean"], rows["chance"])
    assert adjusted["0.90", "0.70"] == pytest.approx(1)
    assert abs(adjusted["0.90", "0.50"]) < 0.06
    assert rows.loc[("0.90", "0.50"), "chance"] > 0.4, "far from zero, as with few tokens in a cluster"


def test_dropped_tokens_are_one_more_cluster(tmp_path: Path, rng: np.random.Generator) -> None:
    """Of a method that prunes and merges."""
    merged, combined = rng.integers(0, 9, (2, IMAGES, TOKENS))
    combined[:, rng.permutation(TOKENS)[:8]] = -1
    kept = rng.integers(0, 2, (IMAGES, TOKENS))
    files = [
        write(tmp_path, Run("d", "b", "kmedoids", "0.50", 0), kept, [merged]),
        write(tmp_path, Run("d", "b", "diffrate", "0.50", 0), kept, [combined]),
    ]
    (row,) = pairs("methods", files).query("metric == 'nmi'").to_dict("records")
    expected = [normalized_mutual_info_score(*both) for both in zip(merged, combined, strict=True)]
    assert row["mean"] == pytest.approx(np.mean(expected))
    assert 0 < row["chance"] < 1


@pytest.mark.parametrize(("collapsed", "flag"), [(50, True), (26, True), (25, False), (0, False)])
def test_pairs_of_a_single_cluster_in_most_images_are_degenerate(
    collapsed: int, flag: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    fine, coarse = rng.integers(0, 12, (IMAGES, TOKENS)), rng.integers(0, 4, (IMAGES, TOKENS))
    coarse[:collapsed] = 3
    made = {"0.90": fine, "0.50": coarse}
    files = [write(tmp_path, Run("d", "b", "sit", rate, 0), None, [c]) for rate, c in made.items()]
    assert pairs("keep_rates", files)["degenerate"].tolist() == [flag, flag]


def test_sets_whose_bound_is_one_are_degenerate(tmp_path: Path, rng: np.random.Generator) -> None:
    everything = np.ones((IMAGES, TOKENS), bool)
    made = {"0.90": everything, "0.50": random_sets(rng, 18)}
    files = [write(tmp_path, Run("d", "b", "topk", rate, 0), kept, []) for rate, kept in made.items()]
    (row,) = pairs("keep_rates", files).to_dict("records")
    assert (row["mean"], row["chance"], row["degenerate"]) == (1, 1, True)
    assert np.isnan(chance_adjusted(pd.Series([row["mean"]]), pd.Series([row["chance"]]))[0])


def test_tables_without_chance_levels_are_refused_by_name(tmp_path: Path, rng: np.random.Generator) -> None:
    """A table of an older version."""
    made = {"0.90": random_sets(rng, 32), "0.50": random_sets(rng, 18)}
    files = [write(tmp_path, Run("d", "b", "topk", rate, 0), kept, []) for rate, kept in made.items()]
    rows = tmp_path / "rows.parquet"
    make("tokred.comparison.keep_rates:compare", {"keep_rates": str(rows)}, {"patterns": files})
    assert len(schemas.read(rows, schemas.PAIRS)) == 1
    old = pq.read_table(rows).drop_columns(["chance", "degenerate"])
    pq.write_table(old, rows)
    with pytest.raises(
        ValueError, match=r"rows\.parquet: has columns .*'bound', 'dropped'.*expected.*'chance'"
    ):
        schemas.read(rows, schemas.PAIRS)


@pytest.mark.parametrize("rate", ["0.50", "0.90"])
def test_features_of_the_unreduced_model_are_only_an_anchor_s(rate: str, tmp_path: Path) -> None:
    identity = [("none", "1.00"), ("topk", rate), ("kmedoids", rate), ("sit", rate)]
    files = [write_features(tmp_path, Run("d", "b", *key, 0), 30, 8) for key in identity]
    found = pairs("features", files)
    assert set(found["method"]) == {"none", "topk", "kmedoids"}
    others = found.groupby("method")["other_method"].agg(lambda names: sorted(set(names)))
    assert others["none"] == ["kmedoids", "sit", "topk"]
    assert others["topk"] == ["kmedoids", "sit"]
    assert others["kmedoids"] == ["sit", "topk"]


def test_proxies_leave_the_unreduced_model_out_of_the_methods() -> None:
    identity = {"dataset": "d", "backbone": "b", "seed": 0}
    unreduced = {**identity, "method": "none", "keep_rate": "1.00"}
    runs = [{**identity, "method": name, "keep_rate": "0.90"} for name in ("topk", "ats", "sit", "tome")]
    scores = pd.DataFrame([{**run, "score": 80.0 - place} for place, run in enumerate([unreduced, *runs])])

    def row(anchor: dict, other: dict, value: float) -> dict[str, object]:
        others = {f"other_{name}": content for name, content in other.items()}
        return {**anchor, **others, "stage": 1, "metric": "procrustes", "mean": value}

    distances = [row(unreduced, run, 0.1 * place) for place, run in enumerate(runs)]
    distances += [row(runs[0], run, 0.1 * place) for place, run in enumerate(runs[1:])]
    found = pd.DataFrame(correlate(scores, pd.DataFrame(distances))).query("correlation == 'spearman'")
    assert found.set_index("method")["n"].to_dict() == {"none": 4, "topk": 3}
    assert set(found["keep_rate"]) == {"0.90"}
    assert found["value"].tolist() == pytest.approx([1, 1])
    distances.append(row(runs[0], unreduced, 0.5))
    with pytest.raises(ValueError, match="the unreduced model as method B"):
        list(correlate(scores, pd.DataFrame(distances)))
