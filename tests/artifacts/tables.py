"""Made-up tables for studies of four shapes, with the columns that the workflow writes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from PIL import Image

from tokred.methods.registry import METHODS, PAPER, Family
from tokred.settings.corruption import CORRUPTIONS, SEVERITIES
from tokred.study.view import View

#: Settings that are searched, and those that all reduced models of a data set share.
SEARCHED = ("lr", "lr_normalizer", "warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")
SHARED = ("epochs", "batch_size", "label_smoothing", "asl_gamma_neg", "asl_clip", "ema_decay")
SHARED += ("crop", "flip", "cutout", "randaugment", "erasing", "mixup", "cutmix", "repeats", "max_shift")
SHARED += ("color_jitter",)
ALL = tuple(name for name in METHODS if name != "none")


def view(datasets: int, backbones: int, rates: tuple[str, ...], methods: tuple[str, ...] = PAPER) -> View:
    names = ("imagenet", "nabirds", "coco", "nuswide")[:datasets]
    sizes = ("deit_tiny", "deit_small", "deit_base")[:backbones]
    labels = {name: name.title() for name in names}
    backbone_labels = {name: name.replace("_", "-") for name in sizes}
    shape = {"locations": (3, 6, 9), "grid": (14, 14), "depth": 12}
    axes = {"datasets": labels, "backbones": backbone_labels, "methods": methods, "keep_rates": rates}
    made = {"searched": True, "reference": "the paper", "masked": names[:2]}
    return View("made_up", **axes, seeds=(0,), **shape, **made)


VIEWS = {
    "paper": view(4, 3, ("0.25", "0.50", "0.70", "0.90")),
    "default": view(2, 2, ("0.25", "0.50", "0.70")),
    "smallest": view(1, 1, ("0.50",)),
    "all methods": view(1, 2, ("0.50", "0.70"), ALL),
    "untrained": replace(
        view(1, 2, ("0.50",), ("topk", "tome")),
        fine_tuned=False,
        reference=None,
        published_models={"deit_small": "small"},
    ),
}


def runs(view: View) -> Iterator[dict[str, object]]:
    for dataset in view.datasets:
        for backbone in view.backbones:
            for method in ("none", *view.methods):
                rates = [rate for rate in view.keep_rates if METHODS[method].can_keep(rate)]
                for rate in ["1.00"] if method == "none" else rates:
                    base = {"dataset": dataset, "backbone": backbone, "method": method}
                    yield {**base, "keep_rate": rate, "seed": 0}


def made_up(view: View) -> dict[str, pd.DataFrame]:
    """Every table of a study, with random numbers."""
    rng = np.random.default_rng(0)
    all_runs = list(runs(view))
    reduced = [run for run in all_runs if run["method"] != "none"]
    scores = [
        {**run, "metric": "top1", "score": rng.uniform(40, 80), "std_error": 0.5, "loss": 1.0, "n": 10}
        for run in all_runs
    ]
    reference = [{**row, "score": row["score"] + rng.normal()} for row in scores[::2] + scores[1::2]]
    tables: dict[str, list | pd.DataFrame] = {"scores": scores, "reference": reference}

    def pair(first: dict, second: dict, stage: int, metric: str) -> dict[str, object]:
        other = {f"other_{key}": value for key, value in second.items()}
        bounds = {"bound": 0.1, "chance": rng.uniform(0.2, 0.6), "degenerate": False, "dropped": 0}
        values = {"mean": rng.random(), "std": 0.1, "n": 10}
        return {**first, **other, "stage": stage, "metric": metric, **values, **bounds}

    def alike(first: dict, second: dict, but: str) -> bool:
        return first[but] != second[but] and all(first[key] == second[key] for key in first if key != but)

    stages = (1, 2, 3)
    for name, axis, sets, clusters in (
        ("keep_rates", "keep_rate", "ioa", "homogeneity"),
        ("backbones", "backbone", "iou", "nmi"),
    ):
        tables[name] = [
            pair(second, first, stage, metric)
            for first, second in combinations(reduced, 2)
            if alike(first, second, axis)
            for metric, has in ((sets, "kept"), (clusters, "clusters"))
            if getattr(METHODS[first["method"]], has)
            for stage in stages
        ]
    tables["datasets"] = [
        pair(*sorted((first, second), key=lambda run: run["dataset"]), 0, metric)
        for first, second in combinations(reduced, 2)
        if alike(first, second, "dataset") and METHODS[first["method"]].kept
        for metric in ("pearson", "spearman", "jensen_shannon", "emd", "histogram")
    ]
    tables["fixed"] = [
        pair(run, {**run, "method": fixed}, stage, "iou")
        for run in reduced
        if METHODS[run["method"]].kept and METHODS[run["method"]].family is not Family.FIXED
        for fixed in view.methods
        if METHODS[fixed].family is Family.FIXED
        for stage in stages
    ]
    distances = ("procrustes", "cka", "pwcca")
    measures = [(m, a, (1, 2, 3, 4)) for m in distances for a in ("topk", "kmedoids", "none")]
    measures += [("iou", "topk", stages), ("nmi", "kmedoids", stages)]
    tables["proxies"] = [
        {"dataset": d, "backbone": b, "method": anchor, "keep_rate": r, "seed": 0, "measure": measure}
        | {"stage": stage, "correlation": kind, "value": rng.uniform(-1, 1), "n": 12}
        for d in view.datasets
        for b in view.backbones
        for r in view.keep_rates
        for measure, anchor, its_stages in measures
        for stage in its_stages
        for kind in ("spearman", "kendall")
    ]
    anchors = {"features": distances, "methods": ("iou", "nmi")}
    for name, shown in anchors.items():
        tables[name] = [
            pair(first, second, stage, measure)
            for measure, anchor, its_stages in measures
            if measure in shown
            for first in all_runs
            for second in all_runs
            if first["method"] == anchor and first["method"] != second["method"] != "none"
            if all(first[key] == second[key] for key in ("dataset", "backbone"))
            if anchor == "none" or first["keep_rate"] == second["keep_rate"]
            for stage in its_stages
        ]
    tables["depth"] = [
        {**run, "token": token, "depth": rng.uniform(3, 12)}
        for run in reduced
        if METHODS[run["method"]].kept
        for token in range(196)
    ]
    tables["summary"] = [
        {**run, "stage": stage, "metric": metric, "mean": mean, "std": 0.1, "n": 10}
        for run in reduced
        for stage in stages
        for metric, mean, has in (
            ("actual_keep_rate", float(run["keep_rate"]) ** stage * 0.9, "kept"),
            ("non_empty_clusters", rng.random(), "clusters"),
        )
        if getattr(METHODS[run["method"]], has)
    ]
    tables["object_recall"] = [
        {
            **run,
            "stage": stage,
            "metric": "object_purity" if METHODS[run["method"]].clusters else "object_recall",
        }
        | {"mean": rng.random(), "std": 0.1, "n": 10, "chance": rng.uniform(0.1, 0.5), "left_out": 0}
        for run in reduced
        for stage in stages
        if run["dataset"] in view.masked
    ]
    tables["robustness"] = [
        {**row, "corruption": corruption, "severity": severity, "score": row["score"] * rng.uniform(0.3, 1)}
        for row in scores
        for corruption in CORRUPTIONS
        for severity in SEVERITIES
    ]
    tables["calibration"] = [
        {**run, "n": 10, "calibration_error": rng.uniform(1, 20), "if_calibrated": rng.uniform(0, 3)}
        | {"confidence": rng.uniform(60, 90), "accuracy": rng.uniform(50, 80)}
        for run in all_runs
        if run["dataset"] not in ("coco", "nuswide")  # several labels per image
    ]
    tables["agreement"] = [
        {**run, "metric": "label_agreement", "mean": rng.uniform(0.5, 1), "std": 0.4, "n": 100}
        for run in reduced
    ]
    tables["macs"] = [macs_row(run, view) for run in all_runs]
    tables["efficiency"] = list(efficiency(view, all_runs, rng))
    tables["pictures"] = [
        {"dataset": dataset, "place": place, "image_id": f"i{place}", "label": f"class {place}, another"}
        | {"image": png(rng.integers(0, 256, (28, 28, 3), dtype=np.uint8))}
        for dataset in view.datasets
        for place in range(8)
    ]
    tables["examples"] = examples(view, reduced, rng)
    tables["off_the_shelf"] = [
        {"dataset": dataset, "backbone": backbone, "method": method, "setting": f"{gmacs:g} G"}
        | {"gmacs": gmacs, "score": rng.uniform(70, 80), "unreduced": unreduced, "source": "MaMe"}
        | {"keep_rate": rate, "own_gmacs": gmacs + 0.1 if rate else None}
        for dataset in view.datasets
        for backbone in view.published_models
        for method, gmacs, unreduced, rate in (
            ("tome", 2.3, 79.8, "0.50"),
            ("tome", 4.0, None, ""),
            ("New", 2.3, 79.8, ""),
        )
    ]
    tables["settings"] = list(settings(view, all_runs))
    tables["grid"] = [{"setting": name, "values": f"{name}1, {name}2"} for name in SEARCHED]
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def settings(view: View, all_runs: list[dict]) -> Iterator[dict[str, object]]:
    """Settings that say where they are from.

    On the second and later data sets every other method has its settings of the first data set, the rest
    those of the data set's unreduced model.
    """
    first = next(iter(view.datasets))
    for run in all_runs:
        dataset, method, rate = (run[key] for key in ("dataset", "method", "keep_rate"))
        if run["backbone"] != next(iter(view.backbones)):
            continue
        from_first = dataset == first or (method != "none" and view.methods.index(method) % 2 == 0)
        searched = f"{first}-{method}-{rate}" if from_first else f"{dataset}-none-1.00"
        row = {"dataset": dataset, "method": method, "keep_rate": rate}
        yield from ({**row, "setting": name, "value": f"{name}-{searched}"} for name in SEARCHED)
        yield from ({**row, "setting": name, "value": f"{name}-{dataset}"} for name in SHARED)


def macs_row(run: dict, view: View) -> dict[str, object]:
    """Costs of a run: larger backbones and keep rates cost more, and some methods more than others."""
    size = 4.0 ** list(view.backbones).index(run["backbone"])
    share = 1.0 if run["method"] == "none" else float(run["keep_rate"]) * (0.9 + len(run["method"]) / 100)
    parts = {"embedding": 1e8, "attention": 4e8 * share, "mlp": 7e8 * share, "head": 1e6}
    parts = {name: size * value for name, value in parts.items()}
    return {**run, **parts, "total": sum(parts.values()), "of_images": False}


def efficiency(view: View, all_runs: list[dict], rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Times of the runs of one data set at three batch sizes, of which the largest did not always fit."""
    for run in all_runs:
        if run["dataset"] != next(iter(view.datasets)):
            continue
        for batch_size in (1, 8, 64)[: 2 if run["method"] == "topk" else 3]:
            seconds = batch_size * macs_row(run, view)["total"] / 1e11 * rng.uniform(0.9, 1.1) + 2e-3
            share = None if run["method"] == "none" else rng.uniform(0, 0.3)
            model = {name: run[name] for name in ("backbone", "method", "keep_rate")}
            times = {"seconds": seconds, "images_per_second": batch_size / seconds}
            yield {**model, "batch_size": batch_size, **times, "reduction_share": share}


def examples(view: View, reduced: list[dict], rng: np.random.Generator) -> pd.DataFrame:
    """Nested kept sets and clusters of every run, at random."""
    columns: dict[str, list] = {"stage": [], "token": [], "kept": [], "cluster": []}
    for run in reduced:
        method, rate = METHODS[run["method"]], float(run["keep_rate"])
        order = rng.permutation(196)
        for stage in (1, 2, 3):
            budget = int(196 * rate**stage)
            columns["stage"] += [stage] * 196
            columns["token"] += range(196)
            columns["kept"] += (order < budget).tolist() if method.kept else [None] * 196
            columns["cluster"] += (order % budget).tolist() if method.clusters else [None] * 196
    identity = pd.DataFrame(reduced).loc[np.repeat(np.arange(len(reduced)), 3 * 196)].reset_index(drop=True)
    return identity.assign(image_id="i0", **columns)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
