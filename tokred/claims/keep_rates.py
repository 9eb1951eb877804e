"""What the paper says of patterns when the keep rate varies (section 5.1, appendix G)."""

from __future__ import annotations

from tokred.claims.agreement import CENTERS, HALF, mean_of, pairs_of, told
from tokred.claims.claim import Claim, Evidence, Finding
from tokred.methods.registry import METHODS, Family


def static_pruning_keeps_its_pattern(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    found = mean_of(pairs_of(study, "keep_rates", "ioa", study.methods(Family.STATIC)), "agreement")
    return Finding(bool((found > HALF).all()), f"agreement above the bound: {told(found)}")


def others_keep_less(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_methods("ats", *CENTERS)
    static = pairs_of(study, "keep_rates", "ioa", study.methods(Family.STATIC))
    others = pairs_of(study, "keep_rates", "ioa", ("ats", *CENTERS))
    least = static.groupby(["stage", "method"])["mean"].mean().groupby("stage").min()
    most = others.groupby(["stage", "method"])["mean"].mean().groupby("stage").max()
    stages = ", ".join(f"stage {s}: {most[s]:.2f} against {least[s]:.2f}" for s in least.index)
    return Finding(bool((most < least).all()), f"highest of the three against the lowest static: {stages}")


def others_fall_over_stages(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_methods("ats", *CENTERS)
    rows = pairs_of(study, "keep_rates", "ioa", ("ats", *CENTERS))
    table = rows.groupby(["method", "stage"])["mean"].mean().unstack("stage")
    steps = "; ".join(
        f"{METHODS[name].plain_label} {' '.join(f'{value:.2f}' for value in line)}"
        for name, line in zip(table.index, table.to_numpy(), strict=True)
    )
    return Finding(bool((table.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)), f"IoA by stage: {steps}")


def hard_clusters_are_more_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    hard = (
        pairs_of(study, "keep_rates", "homogeneity", study.methods(Family.HARD))
        .groupby("stage")["mean"]
        .mean()
    )
    soft = (
        pairs_of(study, "keep_rates", "homogeneity", study.methods(Family.SOFT))
        .groupby("stage")["mean"]
        .mean()
    )
    stages = ", ".join(f"stage {s}: {hard[s]:.2f} against {soft[s]:.2f}" for s in hard.index)
    return Finding(bool((hard > soft).all()), f"hard against soft merging: {stages}")


def some_soft_clusters_start_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_several("locations")
    study.need_methods("patchmerger", "sit")
    rows = pairs_of(study, "keep_rates", "homogeneity", ("patchmerger", "sit"))
    table = rows.groupby(["method", "stage"])["mean"].mean().unstack("stage")
    first, last = table.iloc[:, 0], table.iloc[:, -1]
    return Finding(bool((first > last).all()), f"first stage: {told(first)}; last: {told(last)}")


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
]
