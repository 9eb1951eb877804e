"""Claims about the performance of single methods and of fixed patterns (section 4)."""

from __future__ import annotations

import pandas as pd

from tokred.claims.claim import Basis, Claim, Evidence, Finding, NotTestableError
from tokred.claims.performance import LEARNED, SETTING, by_method, labels
from tokred.methods.registry import Family
from tokred.run import UNREDUCED
from tokred.statistics.rank import average_rank, ranks

#: Largest distance in points to the best learned pruning method at which fixed patterns are competitive.
_COMPETITIVE = 1.0


def fixed_patterns_fall_behind(study: Evidence) -> Finding:
    study.need_several("keep_rates")
    gap = _gap(study)
    numbers = ", ".join(f"{value:.2f} at {100 * float(rate):g} %" for rate, value in gap.items())
    return Finding(bool(gap.is_monotonic_decreasing and gap.iloc[0] > 0), f"points behind: {numbers}")


def fixed_patterns_are_competitive(study: Evidence) -> Finding:
    study.need_rates("0.90")
    gap = _gap(study)["0.90"]
    return Finding(bool(gap <= _COMPETITIVE), f"points behind at 90 %: {gap:.2f}")


def _gap(study: Evidence) -> pd.Series:
    """Mean distance in points of the best fixed pattern to the best learned pruning method, by keep rate."""
    fixed, learned = study.methods(Family.FIXED), study.methods(*LEARNED)
    table = by_method(study.tables["scores"])
    return (table[learned].max(axis=1) - table[fixed].max(axis=1)).dropna().groupby("keep_rate").mean()


def dynamicvit_is_unstable(study: Evidence) -> Finding:
    study.need_methods("dynamicvit")
    study.need_several("methods", 4)
    table = average_rank(study.tables["scores"]).set_index("method")
    if table["n"].max() < 2:
        raise NotTestableError("needs 2 settings, the study has 1")
    spread = table["std"].sort_values(ascending=False)
    numbers = ", ".join(f"{labels([name])} {value:.2f}" for name, value in spread.head(3).items())
    return Finding(spread.index[0] == "dynamicvit", f"largest standard deviations of ranks: {numbers}")


def dynamicvit_often_worst(study: Evidence) -> Finding:
    study.need_methods("dynamicvit")
    study.need_several("methods", 6)
    scores = study.tables["scores"]
    reduced = scores[(scores["method"] != UNREDUCED) & (scores["keep_rate"] < "0.90")]
    if reduced.empty:
        raise NotTestableError("the study has no keep rate below 0.90")
    worst = reduced.groupby(SETTING)["score"].rank(ascending=True, method="min")
    own = worst[reduced["method"] == "dynamicvit"]
    share = 100 * (own <= 3).mean()
    expected = 100 * 3 / len(study.view.methods)
    numbers = (
        f"among the worst three in {share:.0f} % of {len(own)} settings, {expected:.0f} % expected by chance"
    )
    return Finding(share > expected, numbers)


def ats_likes_nuswide(study: Evidence) -> Finding:
    study.need_methods("ats")
    study.need_several("datasets")
    if "nuswide" not in study.view.datasets:
        raise NotTestableError("the study has no data set 'nuswide'")
    rank = ranks(study.tables["scores"])
    mean = rank[rank["method"] == "ats"].groupby("dataset")["rank"].mean()
    numbers = ", ".join(f"{study.view.datasets[name]} {value:.2f}" for name, value in mean.items())
    return Finding(bool(mean["nuswide"] < mean.drop("nuswide").min()), f"average rank: {numbers}")


def ats_manages_with_fewer(study: Evidence) -> Finding:
    study.need_methods("ats")
    study.need_several("methods", 4)
    study.need_rates("0.70", "0.90")
    chosen = study.tables["scores"].query("keep_rate in ('0.70', '0.90')")
    average = average_rank(chosen).set_index("method")["mean"]
    middle = ranks(chosen)["rank"].mean()
    rows = study.tables["summary"]
    rows = rows[(rows["metric"] == "actual_keep_rate") & rows["keep_rate"].isin(["0.70", "0.90"])]
    left = rows.groupby("method")["mean"].mean()
    if len(left) < 2:
        raise NotTestableError("the study has no other method with kept tokens")
    others = left.drop("ats").min()
    numbers = (
        f"average rank {average['ats']:.2f}, that of all methods {middle:.2f}; tokens left {left['ats']:.2f}"
    )
    holds = average["ats"] < middle and left["ats"] < others
    return Finding(bool(holds), f"{numbers} of all, with any other method at least {others:.2f}")


def evit_gains_at_a_quarter(study: Evidence) -> Finding:
    study.need_methods("topk", "evit")
    study.need_rates("0.25")
    table = by_method(study.tables["scores"].query("keep_rate == '0.25'"))
    gain = table["evit"] - table["topk"]
    return Finding(gain.mean() > 0, f"mean gain {gain.mean():.2f} points, largest {gain.max():.2f}")


def some_exceed_the_unreduced(study: Evidence) -> Finding:
    names = ["topk", "evit", "dynamicvit", "ats", "tome"]
    study.need_methods(*names)
    study.need_rates("0.90")
    scores = study.tables["scores"]
    key = ["dataset", "backbone", "seed"]
    unreduced = scores[scores["method"] == UNREDUCED].set_index(key)["score"]
    table = scores[scores["keep_rate"] == "0.90"].set_index([*key, "method"])["score"].unstack("method")
    gain = table[names].sub(unreduced, axis=0).max()
    numbers = ", ".join(f"{labels([name])} {value:+.2f}" for name, value in gain.items())
    return Finding(bool((gain > 0).all()), f"largest gains at 90 %: {numbers}")


CLAIMS = [
    Claim(
        "fixed_patterns_fall_behind",
        "4",
        "Fixed patterns fall behind at low keep rates.",
        "mean distance of the best fixed pattern to the best learned pruning method; it grows with "
        "every step to a lower keep rate",
        Basis.PAPER,
        ("scores",),
        fixed_patterns_fall_behind,
    ),
    Claim(
        "fixed_patterns_are_competitive",
        "4",
        "Fixed patterns are competitive at a keep rate of 90 %.",
        "mean distance of the best fixed pattern to the best learned pruning method at 90 %; at most one "
        "percentage point",
        Basis.OURS,
        ("scores",),
        fixed_patterns_are_competitive,
    ),
    Claim(
        "dynamicvit_is_unstable",
        "4",
        "DynamicViT is the least stable method.",
        "no method's rank has a larger standard deviation over settings",
        Basis.PAPER,
        ("scores",),
        dynamicvit_is_unstable,
    ),
    Claim(
        "dynamicvit_often_worst",
        "4",
        "DynamicViT is often among the three worst methods below a keep rate of 90 %.",
        "share of settings in which it is among the worst three; more than expected by chance, three "
        "of the number of methods",
        Basis.OURS,
        ("scores",),
        dynamicvit_often_worst,
    ),
    Claim(
        "ats_likes_nuswide",
        "4",
        "How good ATS is depends on the data set: very good on NUS-WIDE, average elsewhere.",
        "its average rank is better on NUS-WIDE than on any other data set",
        Basis.PAPER,
        ("scores",),
        ats_likes_nuswide,
    ),
    Claim(
        "ats_manages_with_fewer",
        "4",
        "ATS does well with fewer tokens than the other methods use.",
        "at keep rates of 70 and 90 % its average rank is better than the mean of all methods, and it keeps "
        "fewer tokens than any other method, mean over stages",
        Basis.OURS,
        ("scores", "summary"),
        ats_manages_with_fewer,
    ),
    Claim(
        "evit_gains_at_a_quarter",
        "4",
        "At a keep rate of 25 % EViT's fused token helps, by up to two points over Top-K (1.99 in the "
        "paper's tables).",
        "mean gain over settings; above zero",
        Basis.PAPER,
        ("scores",),
        evit_gains_at_a_quarter,
    ),
    Claim(
        "some_exceed_the_unreduced",
        "4",
        "At a keep rate of 90 % Top-K, EViT, DynamicViT, ATS and ToMe can be better than no reduction, by "
        "up to 0.5 points (0.56 in the paper's tables).",
        "each of them exceeds the unreduced model in at least one setting",
        Basis.PAPER,
        ("scores",),
        some_exceed_the_unreduced,
    ),
]
