"""Claims about similarity as a proxy for performance (abstract, section 5.5, appendix J).

Correlations with similarities change their sign, so that positive values mean: methods that are less similar
to the reference method perform worse. They are averaged over data sets, backbones, keep rates, stages and
reference methods.
"""

from __future__ import annotations

import pandas as pd

from tokred.claims.claim import HIGH, MODERATE, Basis, Claim, Evidence, Finding, NotTestableError, on_each
from tokred.metrics.registry import METRICS


def strength(study: Evidence, *measures: str) -> pd.Series:
    """Mean Spearman correlation of each measure; NotTestableError if one is missing."""
    rows = study.tables["proxies"]
    rows = rows[(rows["correlation"] == "spearman") & rows["measure"].isin(measures)].dropna(subset=["value"])
    sign = rows["measure"].map(lambda name: -1.0 if METRICS[name].larger_is_similar else 1.0).astype(float)
    mean = (rows["value"] * sign).groupby(rows["measure"]).mean()
    absent = [METRICS[name].label for name in measures if name not in mean.index]
    if absent:
        raise NotTestableError(f"the study has no correlations with {', '.join(absent)}")
    return mean.reindex(measures)


def _as_text(mean: pd.Series) -> str:
    return ", ".join(f"{METRICS[name].label} {value:.2f}" for name, value in mean.items())


def band(value: float) -> str:
    """The paper's word for a correlation of this size."""
    return "high" if value >= HIGH else "moderate" if value >= MODERATE else "low"


def procrustes_is_a_strong_proxy(study: Evidence) -> Finding:
    mean = strength(study, "procrustes")
    return Finding(bool((mean >= HIGH).all()), _as_text(mean))


def nmi_is_a_strong_proxy(study: Evidence) -> Finding:
    mean = strength(study, "nmi")
    return Finding(bool((mean >= HIGH).all()), _as_text(mean))


def iou_is_a_moderate_proxy(study: Evidence) -> Finding:
    mean = strength(study, "iou")
    return Finding(band(mean["iou"]) == "moderate", _as_text(mean))


def nmi_beats_iou(study: Evidence) -> Finding:
    mean = strength(study, "nmi", "iou")
    return Finding(bool(mean["nmi"] > mean["iou"]), _as_text(mean))


def other_measures_serve_as_well(study: Evidence) -> Finding:
    mean = strength(study, "procrustes", "cka", "pwcca")
    bands = {band(value) for value in mean}
    return Finding(len(bands) == 1 and bands != {"low"}, _as_text(mean))


def similarity_is_a_proxy(study: Evidence) -> Finding:
    mean = strength(study, "procrustes", "iou", "nmi")
    return Finding(bool((mean >= MODERATE).all()), _as_text(mean))


def proxies_hold_for_each_backbone(study: Evidence) -> Finding:
    checks = {
        "Procrustes": procrustes_is_a_strong_proxy,
        "NMI": nmi_is_a_strong_proxy,
        "IoU": iou_is_a_moderate_proxy,
    }
    return on_each(study, "backbones", checks)


_RULE = "mean Spearman correlation with the difference in performance; "
CLAIMS = [
    Claim(
        "similarity_is_a_proxy",
        "abstract, 7",
        "Similarity of patterns is a moderate to strong proxy for performance.",
        _RULE + "at least 0.5 (moderate) for Procrustes, IoU and NMI",
        Basis.PAPER,
        ("proxies",),
        similarity_is_a_proxy,
    ),
    Claim(
        "procrustes_is_a_strong_proxy",
        "5.5",
        "The distance of features (Procrustes) is highly correlated with the difference in performance.",
        _RULE + "at least 0.7 (high)",
        Basis.PAPER,
        ("proxies",),
        procrustes_is_a_strong_proxy,
    ),
    Claim(
        "nmi_is_a_strong_proxy",
        "5.5",
        "The similarity of clusters (NMI) is highly correlated with the difference in performance.",
        _RULE + "at least 0.7 (high)",
        Basis.PAPER,
        ("proxies",),
        nmi_is_a_strong_proxy,
    ),
    Claim(
        "iou_is_a_moderate_proxy",
        "5.5",
        "The similarity of kept tokens (IoU) is moderately correlated with the difference in performance.",
        _RULE + "from 0.5 to 0.7 (moderate)",
        Basis.PAPER,
        ("proxies",),
        iou_is_a_moderate_proxy,
    ),
    Claim(
        "nmi_beats_iou",
        "5.5",
        "NMI is a better proxy than IoU.",
        _RULE + "higher for NMI",
        Basis.PAPER,
        ("proxies",),
        nmi_beats_iou,
    ),
    Claim(
        "proxies_hold_for_each_backbone",
        "5.5",
        "Procrustes, NMI and IoU are such proxies for every capacity of the backbone.",
        _RULE + "on each backbone alone at least 0.7 (high) for Procrustes and NMI, from 0.5 to 0.7 "
        "(moderate) for IoU",
        Basis.PAPER,
        ("proxies",),
        proxies_hold_for_each_backbone,
    ),
    Claim(
        "other_measures_serve_as_well",
        "J",
        "CKA and PWCCA are as good as Procrustes.",
        _RULE + "all three in the same band, moderate or high",
        Basis.OURS,
        ("proxies",),
        other_measures_serve_as_well,
    ),
]
