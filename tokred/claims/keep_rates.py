"""Claims about patterns at different keep rates (section 5.1, appendix G)."""

from __future__ import annotations

from tokred.claims.agreement import (
    CENTERS,
    HALF,
    MARGIN,
    as_text,
    by_stage,
    clusters_without_centers,
    mean_agreement,
    on_shared_stages,
    pairs_of,
)
from tokred.claims.claim import Basis, Claim, Evidence, Finding, NotTestableError, on_each
from tokred.methods.registry import METHODS, Family


def static_pruning_keeps_its_pattern(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    agreement = mean_agreement(pairs_of(study, "keep_rates", "ioa", study.methods(Family.STATIC)))
    return Finding(bool((agreement > HALF).all()), f"agreement: {as_text(agreement)}")


def others_keep_less(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_methods("ats", *CENTERS)
    static = by_stage(pairs_of(study, "keep_rates", "ioa", study.methods(Family.STATIC)))
    others = by_stage(pairs_of(study, "keep_rates", "ioa", ("ats", *CENTERS)))
    least, most = on_shared_stages(static.min(), others.max())
    stages = ", ".join(f"stage {s}: {most[s]:.2f} against {least[s]:.2f}" for s in least.index)
    holds = bool((most <= least - MARGIN).all())
    return Finding(holds, f"highest agreement of the three against the lowest static: {stages}")


def others_fall_over_stages(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_several("locations")
    study.need_methods("ats", *CENTERS)
    table = by_stage(pairs_of(study, "keep_rates", "ioa", ("ats", *CENTERS)))
    steps = "; ".join(
        f"{METHODS[name].plain_label} {' '.join(f'{value:.2f}' for value in line)}"
        for name, line in zip(table.index, table.to_numpy(), strict=True)
    )
    falls = (table.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)
    far = (table.iloc[:, 0] - table.iloc[:, -1] >= MARGIN).all()
    return Finding(bool(falls and far), f"agreement by stage: {steps}")


def others_fall_towards_the_bound(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_methods("ats", *CENTERS)
    rows = pairs_of(study, "keep_rates", "ioa", ("ats", *CENTERS))
    last = mean_agreement(rows[rows["stage"] == rows["stage"].max()])
    return Finding(bool((last < HALF).all()), f"agreement at the last stage: {as_text(last)}")


def hard_clusters_are_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    rows = pairs_of(study, "keep_rates", "homogeneity", study.methods(Family.HARD))
    lowest = by_stage(rows).min(axis=1)
    return Finding(bool((lowest > HALF).all()), f"lowest agreement of a stage: {as_text(lowest)}")


def hard_clusters_are_more_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    hard, soft = on_shared_stages(
        *(
            pairs_of(study, "keep_rates", "homogeneity", study.methods(family))
            .groupby("stage")["agreement"]
            .mean()
            for family in (Family.HARD, Family.SOFT)
        )
    )
    stages = ", ".join(f"stage {s}: {hard[s]:.2f} against {soft[s]:.2f}" for s in hard.index)
    return Finding(bool((hard >= soft + MARGIN).all()), f"agreement, hard against soft merging: {stages}")


def some_soft_clusters_start_homogeneous(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    study.need_several("locations")
    study.need_methods("patchmerger", "sit")
    table = by_stage(pairs_of(study, "keep_rates", "homogeneity", ("patchmerger", "sit"))).dropna(axis=1)
    if len(table.columns) < 2:
        raise NotTestableError("fewer than two stages have pairs of both that are not degenerate")
    first, last = table.iloc[:, 0], table.iloc[:, -1]
    holds = bool((first > HALF).all() and (last < HALF).all())
    return Finding(holds, f"agreement at the first stage: {as_text(first)}; at the last: {as_text(last)}")


def clusters_stay_centers_move_over_rates(study: Evidence) -> Finding:
    return clusters_without_centers(study, "keep_rates", "homogeneity", "ioa")


def same_on_every_dataset(study: Evidence) -> Finding:
    checks = {
        "static pruning agrees": static_pruning_keeps_its_pattern,
        "hard clusters agree": hard_clusters_are_homogeneous,
        "soft clusters agree less": hard_clusters_are_more_homogeneous,
        "clusters stay, centers move": clusters_stay_centers_move_over_rates,
    }
    return on_each(study, "datasets", checks)


CLAIMS = [
    Claim(
        "static_pruning_keeps_its_pattern",
        "5.1",
        "Top-K, EViT and DynamicViT keep much the same tokens at all keep rates.",
        "mean agreement (IoA) of each static pruning method; above 0.5",
        Basis.OURS,
        ("keep_rates",),
        static_pruning_keeps_its_pattern,
    ),
    Claim(
        "others_keep_less",
        "5.1",
        "The tokens of ATS and the centers of K-Medoids and DPC-KNN agree less over keep rates.",
        "mean agreement (IoA) of each stage; each of the three below every static pruning method, by at "
        "least 0.05",
        Basis.OURS,
        ("keep_rates",),
        others_keep_less,
    ),
    Claim(
        "others_fall_over_stages",
        "5.1",
        "The agreement of ATS and of the centers over keep rates drops from stage to stage.",
        "mean agreement (IoA) of ATS, K-Medoids and DPC-KNN; lower at every next stage, and by at least 0.05 "
        "from the first to the last",
        Basis.OURS,
        ("keep_rates",),
        others_fall_over_stages,
    ),
    Claim(
        "others_fall_towards_the_bound",
        "5.1",
        "The IoA of ATS and of the centers drops towards the lower bound.",
        "mean agreement (IoA) of ATS, K-Medoids and DPC-KNN at the last stage; below 0.5, so nearer to that "
        "of unrelated patterns than to 1; values at the bound cannot be expected",
        Basis.OURS,
        ("keep_rates",),
        others_fall_towards_the_bound,
    ),
    Claim(
        "hard_clusters_are_homogeneous",
        "5.1, G",
        "Clusters of hard merging agree over keep rates.",
        "mean agreement (Homogeneity) of each hard merging method and stage; above 0.5",
        Basis.OURS,
        ("keep_rates",),
        hard_clusters_are_homogeneous,
    ),
    Claim(
        "hard_clusters_are_more_homogeneous",
        "5.1, G",
        "Clusters of soft merging agree much less over keep rates than those of hard merging.",
        "mean agreement (Homogeneity) of each stage; higher for hard merging, by at least 0.05",
        Basis.OURS,
        ("keep_rates",),
        hard_clusters_are_more_homogeneous,
    ),
    Claim(
        "some_soft_clusters_start_homogeneous",
        "G, Figure 9",
        "Clusters of PatchMerger and SiT agree at the early stages and not at the later ones.",
        "mean agreement (Homogeneity) of each; above 0.5 at the first stage, below 0.5 at the last",
        Basis.OURS,
        ("keep_rates",),
        some_soft_clusters_start_homogeneous,
    ),
    Claim(
        "clusters_stay_centers_move_over_rates",
        "5.1",
        "At different keep rates hard merging finds the same clusters, but other centers.",
        "K-Medoids and DPC-KNN: mean agreement of clusters (Homogeneity) above 0.5, of centers (IoA) below "
        "0.5",
        Basis.OURS,
        ("keep_rates",),
        clusters_stay_centers_move_over_rates,
    ),
    Claim(
        "keep_rates_on_every_dataset",
        "G, Figures 8 and 9",
        "The findings on varying keep rates hold on every single data set.",
        "on each data set alone static pruning agrees, hard clusters agree, soft clusters agree less, "
        "and clusters stay while centers move; by the rules of these findings",
        Basis.OURS,
        ("keep_rates",),
        same_on_every_dataset,
    ),
]
