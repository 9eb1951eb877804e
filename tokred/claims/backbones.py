"""What the paper says of patterns when the backbone varies, and beside fixed ones (sections 5 and 7)."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tokred.claims.agreement import CENTERS, HALF, agreement, mean_of, pairs_of, told
from tokred.claims.claim import Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family
from tokred.metrics.lower_bounds import iou_lower_bound


def pruning_depends_on_the_backbone(study: Evidence) -> Finding:
    study.need_several("backbones")
    learned = study.methods(Family.STATIC, Family.DYNAMIC)
    found = mean_of(pairs_of(study, "backbones", "iou", learned), "agreement")
    return Finding(bool((found < HALF).all()), f"agreement above the bound: {told(found)}")


def backbone_matters_more_than_rate(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_several("keep_rates")
    static = study.methods(Family.STATIC)
    rates = mean_of(pairs_of(study, "keep_rates", "ioa", static), "agreement")
    backbones = mean_of(pairs_of(study, "backbones", "iou", static), "agreement")
    return Finding(
        bool((backbones < rates).all()), f"over keep rates: {told(rates)}; backbones: {told(backbones)}"
    )


def others_depend_most_on_the_backbone(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods("ats", *CENTERS)
    static = mean_of(pairs_of(study, "backbones", "iou", study.methods(Family.STATIC)))
    others = mean_of(pairs_of(study, "backbones", "iou", ("ats", *CENTERS)))
    return Finding(bool(others.max() < static.min()), f"IoU: {told(others)}; {told(static)}")


def _clusters_agree(study: Evidence, names: Iterable[str], above: str) -> pd.Series:
    """NMI between backbones by method at keep rates above one: the lowest mean of a keep rate and stage."""
    study.need_several("backbones")
    study.need_methods(*names)
    rows = pairs_of(study, "backbones", "nmi", names)
    rows = rows[rows["keep_rate"] > above]
    if rows.empty:
        raise NotTestableError(f"the study has no keep rate above {above}")
    return rows.groupby(["method", "keep_rate", "stage"])["mean"].mean().groupby("method").min()


def hard_clusters_agree(study: Evidence) -> Finding:
    found = _clusters_agree(study, ("tome", *CENTERS), above="0.25")
    return Finding(bool((found > HALF).all()), f"lowest NMI of a keep rate and stage: {told(found)}")


def patchmerger_agrees_above_half(study: Evidence) -> Finding:
    found = _clusters_agree(study, ("patchmerger",), above="0.50")
    return Finding(bool((found > HALF).all()), f"lowest NMI of a keep rate and stage: {told(found)}")


def other_soft_clusters_disagree(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods("sit", "sinkhorn")
    found = mean_of(pairs_of(study, "backbones", "nmi", ("sit", "sinkhorn")))
    return Finding(bool((found < HALF).all()), f"NMI: {told(found)}")


def clusters_stay_centers_move(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods(*CENTERS)
    clusters = mean_of(pairs_of(study, "backbones", "nmi", CENTERS))
    centers = mean_of(pairs_of(study, "backbones", "iou", CENTERS))
    holds = bool((clusters > HALF).all() and (centers < HALF).all())
    return Finding(holds, f"clusters (NMI): {told(clusters)}; centers (IoU): {told(centers)}")


def learned_differs_from_fixed(study: Evidence) -> Finding:
    fixed = study.methods(Family.FIXED)
    names = [*study.methods(Family.STATIC, Family.DYNAMIC), *(c for c in CENTERS if c in study.view.methods)]
    rows = pairs_of(study, "fixed", "iou", names)
    tokens = study.view.grid[0] * study.view.grid[1]
    least = [
        0.0 if METHODS[name].dynamic else iou_lower_bound(tokens, rate, rate, stage)
        for name, rate, stage in zip(rows["method"], rows["keep_rate"], rows["stage"], strict=True)
    ]
    rows = rows.assign(bound=least)
    found = mean_of(rows.assign(agreement=agreement(rows)), "agreement")
    which = ", ".join(fixed)
    return Finding(bool((found < HALF).all()), f"agreement with {which} above the bound: {told(found)}")


CLAIMS = [
    Claim(
        "pruning_depends_on_the_backbone",
        "5.2",
        "Which tokens pruning keeps depends on the backbone.",
        "mean IoU above its lower bound, for each learned pruning method; nearer to the bound than to 1",
        ("backbones",),
        pruning_depends_on_the_backbone,
    ),
    Claim(
        "backbone_matters_more_than_rate",
        "7",
        "The backbone changes patterns a lot, the keep rate very little.",
        "agreement above the bound of every static pruning method; lower between backbones (IoU) than "
        "between keep rates (IoA)",
        ("keep_rates", "backbones"),
        backbone_matters_more_than_rate,
    ),
    Claim(
        "others_depend_most_on_the_backbone",
        "5.2",
        "ATS, K-Medoids and DPC-KNN agree least between backbones.",
        "mean IoU; each of the three below every static pruning method",
        ("backbones",),
        others_depend_most_on_the_backbone,
    ),
    Claim(
        "hard_clusters_agree",
        "5.2",
        "Clusters of ToMe, K-Medoids and DPC-KNN agree between backbones as long as more than 25 % are kept.",
        "NMI of every keep rate above 25 % and stage; nearer to 1 than to 0",
        ("backbones",),
        hard_clusters_agree,
    ),
    Claim(
        "patchmerger_agrees_above_half",
        "5.2",
        "Clusters of PatchMerger agree between backbones as long as more than 50 % are kept.",
        "NMI of every keep rate above 50 % and stage; nearer to 1 than to 0",
        ("backbones",),
        patchmerger_agrees_above_half,
    ),
    Claim(
        "other_soft_clusters_disagree",
        "5.2, G",
        "Clusters of SiT and Sinkhorn do not agree between backbones.",
        "mean NMI; nearer to 0 than to 1",
        ("backbones",),
        other_soft_clusters_disagree,
    ),
    Claim(
        "clusters_stay_centers_move",
        "5.1, 5.2",
        "Hard merging finds the same clusters with other centers.",
        "K-Medoids and DPC-KNN between backbones: mean NMI nearer to 1 than to 0, mean IoU of centers nearer "
        "to 0",
        ("backbones",),
        clusters_stay_centers_move,
    ),
    Claim(
        "learned_differs_from_fixed",
        "5.4, I",
        "What pruning learns is not a radial pattern around the center.",
        "mean IoU with the fixed patterns above its lower bound, for each method; nearer to the bound than "
        "to 1",
        ("fixed",),
        learned_differs_from_fixed,
    ),
]
