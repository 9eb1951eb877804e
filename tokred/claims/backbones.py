"""Claims about patterns of different backbones, and their similarity to fixed ones (sections 5 and 7)."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tokred.claims.agreement import (
    CENTERS,
    HALF,
    MARGIN,
    as_text,
    clusters_without_centers,
    lowest_of_rates,
    mean_agreement,
    pairs_of,
)
from tokred.claims.claim import Basis, Claim, Evidence, Finding, NotTestableError, on_each
from tokred.methods.registry import Family


def pruning_depends_on_the_backbone(study: Evidence) -> Finding:
    study.need_several("backbones")
    learned = study.methods(Family.STATIC, Family.DYNAMIC)
    agreement = mean_agreement(pairs_of(study, "backbones", "iou", learned))
    return Finding(bool((agreement < HALF).all()), f"agreement: {as_text(agreement)}")


def backbone_matters_more_than_rate(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_several("keep_rates")
    static = study.methods(Family.STATIC)
    rates = mean_agreement(pairs_of(study, "keep_rates", "ioa", static))
    backbones = mean_agreement(pairs_of(study, "backbones", "iou", static))
    shared = rates.index.intersection(backbones.index)
    if shared.empty:
        raise NotTestableError("no static pruning method has pairs of both keep rates and backbones")
    rates, backbones = rates[shared], backbones[shared]
    holds = bool((backbones <= rates - MARGIN).all())
    return Finding(holds, f"agreement over keep rates: {as_text(rates)}; backbones: {as_text(backbones)}")


def others_depend_most_on_the_backbone(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods("ats", *CENTERS)
    static = mean_agreement(pairs_of(study, "backbones", "iou", study.methods(Family.STATIC)))
    others = mean_agreement(pairs_of(study, "backbones", "iou", ("ats", *CENTERS)))
    holds = bool(others.max() <= static.min() - MARGIN)
    return Finding(holds, f"agreement: {as_text(others)}; {as_text(static)}")


def _clusters_agree(study: Evidence, names: Iterable[str]) -> pd.DataFrame:
    """Lowest agreement between backbones over stages: one row per method, one column per keep rate."""
    study.need_several("backbones")
    study.need_methods(*names)
    return lowest_of_rates(pairs_of(study, "backbones", "nmi", names))


def _agrees_above(study: Evidence, names: Iterable[str], rate: str) -> Finding:
    """Whether clusters agree at every keep rate above `rate` and at every stage."""
    table = _clusters_agree(study, names)
    table = table.loc[:, table.columns > rate]
    if table.empty:
        raise NotTestableError(f"the study has no pairs at a keep rate above {rate}")
    lowest = table.min(axis=1).dropna()
    return Finding(
        bool((lowest > HALF).all()), f"lowest agreement of a keep rate and stage: {as_text(lowest)}"
    )


def _stops_at(study: Evidence, names: Iterable[str], rate: str) -> Finding:
    """Whether clusters agree at all stages at the next keep rate above `rate`, but not at `rate`."""
    table = _clusters_agree(study, names)
    above = table.columns[table.columns > rate]
    if rate not in table.columns or above.empty:
        raise NotTestableError(f"the study has no pairs at keep rate {rate}, or at none above it")
    at, before = table[rate].dropna(), table[above[0]].dropna()
    shown = f"{100 * float(rate):g} %: {as_text(at)}; at {100 * float(above[0]):g} %: {as_text(before)}"
    holds = bool((at < HALF).all() and (before > HALF).all())
    return Finding(holds, f"lowest agreement of a stage at {shown}")


def hard_clusters_agree(study: Evidence) -> Finding:
    return _agrees_above(study, ("tome", *CENTERS), "0.25")


def hard_clusters_stop_agreeing(study: Evidence) -> Finding:
    return _stops_at(study, CENTERS, "0.25")


def patchmerger_agrees_above_half(study: Evidence) -> Finding:
    return _agrees_above(study, ("patchmerger",), "0.50")


def patchmerger_stops_agreeing(study: Evidence) -> Finding:
    return _stops_at(study, ("patchmerger",), "0.50")


def other_soft_clusters_disagree(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods("sit", "sinkhorn")
    agreement = mean_agreement(pairs_of(study, "backbones", "nmi", ("sit", "sinkhorn")))
    return Finding(bool((agreement < HALF).all()), f"agreement: {as_text(agreement)}")


def clusters_stay_centers_move(study: Evidence) -> Finding:
    return clusters_without_centers(study, "backbones", "nmi", "iou")


def same_on_every_dataset(study: Evidence) -> Finding:
    study.need_several("backbones")
    checks = {
        "pruning depends on the backbone": pruning_depends_on_the_backbone,
        "hard clusters agree": hard_clusters_agree,
        "PatchMerger agrees": patchmerger_agrees_above_half,
        "SiT and Sinkhorn do not": other_soft_clusters_disagree,
        "clusters stay, centers move": clusters_stay_centers_move,
    }
    return on_each(study, "datasets", checks)


def learned_differs_from_fixed(study: Evidence) -> Finding:
    fixed = ", ".join(study.methods(Family.FIXED))
    names = [*study.methods(Family.STATIC, Family.DYNAMIC), *(c for c in CENTERS if c in study.view.methods)]
    agreement = mean_agreement(pairs_of(study, "fixed", "iou", names))
    return Finding(bool((agreement < HALF).all()), f"agreement with {fixed}: {as_text(agreement)}")


CLAIMS = [
    Claim(
        "pruning_depends_on_the_backbone",
        "5.2",
        "Which tokens pruning keeps depends on the backbone.",
        "mean agreement (IoU) of each learned pruning method; below 0.5",
        Basis.OURS,
        ("backbones",),
        pruning_depends_on_the_backbone,
    ),
    Claim(
        "backbone_matters_more_than_rate",
        "7",
        "The backbone changes patterns a lot, the keep rate very little.",
        "mean agreement of every static pruning method; lower between backbones (IoU) than between keep "
        "rates (IoA), by at least 0.05",
        Basis.OURS,
        ("keep_rates", "backbones"),
        backbone_matters_more_than_rate,
    ),
    Claim(
        "others_depend_most_on_the_backbone",
        "5.2",
        "ATS, K-Medoids and DPC-KNN agree least between backbones.",
        "mean agreement (IoU); each of the three below every static pruning method, by at least 0.05",
        Basis.OURS,
        ("backbones",),
        others_depend_most_on_the_backbone,
    ),
    Claim(
        "hard_clusters_agree",
        "5.2",
        "Clusters of ToMe, K-Medoids and DPC-KNN agree between backbones as long as more than 25 % are kept.",
        "agreement (NMI) at every keep rate above 25 % and every stage; above 0.5",
        Basis.OURS,
        ("backbones",),
        hard_clusters_agree,
    ),
    Claim(
        "hard_clusters_stop_agreeing",
        "5.2, Figure 11",
        "Clusters of K-Medoids and DPC-KNN stop agreeing between backbones at a keep rate of 25 %.",
        "lowest agreement (NMI) of a stage; above 0.5 at the next keep rate, below 0.5 at 25 %",
        Basis.OURS,
        ("backbones",),
        hard_clusters_stop_agreeing,
    ),
    Claim(
        "patchmerger_agrees_above_half",
        "5.2",
        "Clusters of PatchMerger agree between backbones as long as more than 50 % are kept.",
        "agreement (NMI) at every keep rate above 50 % and every stage; above 0.5",
        Basis.OURS,
        ("backbones",),
        patchmerger_agrees_above_half,
    ),
    Claim(
        "patchmerger_stops_agreeing",
        "5.2, Figure 11",
        "Clusters of PatchMerger stop agreeing between backbones at a keep rate of 50 %.",
        "lowest agreement (NMI) of a stage; above 0.5 at the next keep rate, below 0.5 at 50 %",
        Basis.OURS,
        ("backbones",),
        patchmerger_stops_agreeing,
    ),
    Claim(
        "other_soft_clusters_disagree",
        "5.2, G",
        "Clusters of SiT and Sinkhorn do not agree between backbones.",
        "mean agreement (NMI); below 0.5",
        Basis.OURS,
        ("backbones",),
        other_soft_clusters_disagree,
    ),
    Claim(
        "clusters_stay_centers_move",
        "5.2",
        "In different backbones hard merging finds the same clusters, but other centers.",
        "K-Medoids and DPC-KNN: mean agreement of clusters (NMI) above 0.5, of centers (IoU) below 0.5",
        Basis.OURS,
        ("backbones",),
        clusters_stay_centers_move,
    ),
    Claim(
        "backbones_on_every_dataset",
        "G, Figures 10 and 11",
        "The findings on varying backbones hold on every single data set.",
        "on each data set alone pruning depends on the backbone, clusters of hard merging and of "
        "PatchMerger agree, those of SiT and Sinkhorn do not, and clusters stay while centers move; by the "
        "rules of these findings",
        Basis.OURS,
        ("backbones",),
        same_on_every_dataset,
    ),
    Claim(
        "learned_differs_from_fixed",
        "5.4, I",
        "The patterns that pruning learns are not radial patterns around the center.",
        "mean agreement (IoU) of each method with the fixed patterns; below 0.5",
        Basis.OURS,
        ("fixed",),
        learned_differs_from_fixed,
    ),
]
