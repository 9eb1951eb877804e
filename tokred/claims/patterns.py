"""What the paper says of patterns when keep rate or backbone vary (sections 5.1, 5.2 and 5.4, appendix G).

Where the paper calls patterns consistent or not without a number, the rule asks what is nearer: agreement (1)
or the least possible value (appendix F; 0 for measures of clusters). This is the half of what is possible:

    agreement = (value - bound) / (1 - bound)
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tokred.claims.claim import Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family
from tokred.metrics.lower_bounds import iou_lower_bound

#: Methods whose kept tokens are cluster centers.
_CENTERS = ("kmedoids", "dpcknn")
_HALF = 0.5


def told(values: pd.Series) -> str:
    """Numbers by method for people."""
    return ", ".join(f"{METHODS[name].plain_label} {value:.2f}" for name, value in values.items())


def agreement(rows: pd.DataFrame) -> pd.Series:
    """What is left of a value above its bound; rows whose bound is 1 say nothing and are left out."""
    bound = rows["bound"].fillna(0.0)
    return ((rows["mean"] - bound) / (1 - bound)).where(bound < 1)


def _of(study: Evidence, table: str, metric: str, names: Iterable[str]) -> pd.DataFrame:
    """Rows of a metric and of some methods, with their agreement; NotTestableError where there are none."""
    rows = study.tables[table]
    rows = rows[(rows["metric"] == metric) & rows["method"].isin(list(names))]
    if rows.empty:
        raise NotTestableError(f"the study has no pairs of {table.replace('_', ' ')} with {metric}")
    return rows.assign(agreement=agreement(rows))


def _mean(rows: pd.DataFrame, value: str = "mean") -> pd.Series:
    """Mean by method, in the registry's order."""
    mean = rows.groupby("method")[value].mean()
    return mean.reindex([name for name in METHODS if name in mean.index])


def static_pruning_keeps_its_pattern(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    found = _mean(_of(study, "keep_rates", "ioa", study.methods(Family.STATIC)), "agreement")
    return Finding(bool((found > _HALF).all()), f"agreement above the bound: {told(found)}")


def others_keep_less(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_methods("ats", *_CENTERS)
    static = _of(study, "keep_rates", "ioa", study.methods(Family.STATIC))
    others = _of(study, "keep_rates", "ioa", ("ats", *_CENTERS))
    least = static.groupby(["stage", "method"])["mean"].mean().groupby("stage").min()
    most = others.groupby(["stage", "method"])["mean"].mean().groupby("stage").max()
    stages = ", ".join(f"stage {s}: {most[s]:.2f} against {least[s]:.2f}" for s in least.index)
    return Finding(bool((most < least).all()), f"highest of the three against the lowest static: {stages}")


def others_fall_over_stages(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_methods("ats", *_CENTERS)
    rows = _of(study, "keep_rates", "ioa", ("ats", *_CENTERS))
    table = rows.groupby(["method", "stage"])["mean"].mean().unstack("stage")
    steps = "; ".join(
        f"{METHODS[name].plain_label} {' '.join(f'{value:.2f}' for value in line)}"
        for name, line in zip(table.index, table.to_numpy(), strict=True)
    )
    return Finding(bool((table.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)), f"IoA by stage: {steps}")


def hard_clusters_are_more_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    hard = _of(study, "keep_rates", "homogeneity", study.methods(Family.HARD)).groupby("stage")["mean"].mean()
    soft = _of(study, "keep_rates", "homogeneity", study.methods(Family.SOFT)).groupby("stage")["mean"].mean()
    stages = ", ".join(f"stage {s}: {hard[s]:.2f} against {soft[s]:.2f}" for s in hard.index)
    return Finding(bool((hard > soft).all()), f"hard against soft merging: {stages}")


def some_soft_clusters_start_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_several("locations")
    study.need_methods("patchmerger", "sit")
    rows = _of(study, "keep_rates", "homogeneity", ("patchmerger", "sit"))
    table = rows.groupby(["method", "stage"])["mean"].mean().unstack("stage")
    first, last = table.iloc[:, 0], table.iloc[:, -1]
    return Finding(bool((first > last).all()), f"first stage: {told(first)}; last: {told(last)}")


def pruning_depends_on_the_backbone(study: Evidence) -> Finding:
    study.need_several("backbones")
    learned = study.methods(Family.STATIC, Family.DYNAMIC)
    found = _mean(_of(study, "backbones", "iou", learned), "agreement")
    return Finding(bool((found < _HALF).all()), f"agreement above the bound: {told(found)}")


def backbone_matters_more_than_rate(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_several("keep_rates")
    static = study.methods(Family.STATIC)
    rates = _mean(_of(study, "keep_rates", "ioa", static), "agreement")
    backbones = _mean(_of(study, "backbones", "iou", static), "agreement")
    return Finding(
        bool((backbones < rates).all()), f"over keep rates: {told(rates)}; backbones: {told(backbones)}"
    )


def others_depend_most_on_the_backbone(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods("ats", *_CENTERS)
    static = _mean(_of(study, "backbones", "iou", study.methods(Family.STATIC)))
    others = _mean(_of(study, "backbones", "iou", ("ats", *_CENTERS)))
    return Finding(bool(others.max() < static.min()), f"IoU: {told(others)}; {told(static)}")


def _clusters_agree(study: Evidence, names: Iterable[str], above: str) -> pd.Series:
    """NMI between backbones by method at keep rates above one: the lowest mean of a keep rate and stage."""
    study.need_several("backbones")
    study.need_methods(*names)
    rows = _of(study, "backbones", "nmi", names)
    rows = rows[rows["keep_rate"] > above]
    if rows.empty:
        raise NotTestableError(f"the study has no keep rate above {above}")
    return rows.groupby(["method", "keep_rate", "stage"])["mean"].mean().groupby("method").min()


def hard_clusters_agree(study: Evidence) -> Finding:
    found = _clusters_agree(study, ("tome", *_CENTERS), above="0.25")
    return Finding(bool((found > _HALF).all()), f"lowest NMI of a keep rate and stage: {told(found)}")


def patchmerger_agrees_above_half(study: Evidence) -> Finding:
    found = _clusters_agree(study, ("patchmerger",), above="0.50")
    return Finding(bool((found > _HALF).all()), f"lowest NMI of a keep rate and stage: {told(found)}")


def other_soft_clusters_disagree(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods("sit", "sinkhorn")
    found = _mean(_of(study, "backbones", "nmi", ("sit", "sinkhorn")))
    return Finding(bool((found < _HALF).all()), f"NMI: {told(found)}")


def clusters_stay_centers_move(study: Evidence) -> Finding:
    study.need_several("backbones")
    study.need_methods(*_CENTERS)
    clusters = _mean(_of(study, "backbones", "nmi", _CENTERS))
    centers = _mean(_of(study, "backbones", "iou", _CENTERS))
    holds = bool((clusters > _HALF).all() and (centers < _HALF).all())
    return Finding(holds, f"clusters (NMI): {told(clusters)}; centers (IoU): {told(centers)}")


def learned_differs_from_fixed(study: Evidence) -> Finding:
    fixed = study.methods(Family.FIXED)
    names = [*study.methods(Family.STATIC, Family.DYNAMIC), *(c for c in _CENTERS if c in study.view.methods)]
    rows = _of(study, "fixed", "iou", names)
    tokens = study.view.grid[0] * study.view.grid[1]
    least = [
        0.0 if METHODS[name].dynamic else iou_lower_bound(tokens, rate, rate, stage)
        for name, rate, stage in zip(rows["method"], rows["keep_rate"], rows["stage"], strict=True)
    ]
    rows = rows.assign(bound=least)
    found = _mean(rows.assign(agreement=agreement(rows)), "agreement")
    which = ", ".join(fixed)
    return Finding(bool((found < _HALF).all()), f"agreement with {which} above the bound: {told(found)}")


CLAIMS = [
    Claim(
        "static_pruning_keeps_its_pattern",
        "5.1",
        "Top-K, EViT and DynamicViT keep much the same tokens whatever the keep rate.",
        "mean IoA above its lower bound, for each method; nearer to 1 than to the bound",
        ("keep_rates",),
        static_pruning_keeps_its_pattern,
    ),
    Claim(
        "others_keep_less",
        "5.1",
        "The tokens of ATS and the centers of K-Medoids and DPC-KNN agree less over keep rates.",
        "mean IoA of each stage; each of the three below every static pruning method",
        ("keep_rates",),
        others_keep_less,
    ),
    Claim(
        "others_fall_over_stages",
        "5.1",
        "Their agreement falls from stage to stage.",
        "mean IoA of ATS, K-Medoids and DPC-KNN; lower at every next stage",
        ("keep_rates",),
        others_fall_over_stages,
    ),
    Claim(
        "hard_clusters_are_more_homogeneous",
        "5.1",
        "Clusters of hard merging agree over keep rates, those of soft merging much less.",
        "mean Homogeneity; higher for hard merging at every stage",
        ("keep_rates",),
        hard_clusters_are_more_homogeneous,
    ),
    Claim(
        "some_soft_clusters_start_homogeneous",
        "G",
        "Clusters of PatchMerger and SiT agree at the early stages and much less at the later ones.",
        "mean Homogeneity; higher at the first stage than at the last",
        ("keep_rates",),
        some_soft_clusters_start_homogeneous,
    ),
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
