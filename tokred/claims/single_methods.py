"""What the paper says of single methods' performance, and of fixed patterns' (section 4)."""

from __future__ import annotations

from tokred.claims.claim import Claim, Evidence, Finding, NotTestableError
from tokred.claims.performance import LEARNED, SETTING, by_method, labels, order
from tokred.methods.registry import Family
from tokred.metrics.rank import average_rank
from tokred.run import UNREDUCED


def fixed_patterns_fall_behind(study: Evidence) -> Finding:
    fixed, learned = study.methods(Family.FIXED), study.methods(*LEARNED)
    study.need_several("keep_rates")
    table = by_method(study.tables["scores"])
    gap = (table[learned].max(axis=1) - table[fixed].max(axis=1)).dropna().groupby("keep_rate").mean()
    told = ", ".join(f"{value:.2f} at {100 * float(rate):g} %" for rate, value in gap.items())
    return Finding(bool(gap.is_monotonic_decreasing and gap.iloc[0] > 0), f"points behind: {told}")


def dynamicvit_is_unstable(study: Evidence) -> Finding:
    study.need_methods("dynamicvit")
    study.need_several("methods", 4)
    table = average_rank(study.tables["scores"]).set_index("method")
    if table["n"].max() < 2:
        raise NotTestableError("needs 2 settings, the study has 1")
    spread = table["std"].sort_values(ascending=False)
    told = ", ".join(f"{labels([name])} {value:.2f}" for name, value in spread.head(3).items())
    return Finding(spread.index[0] == "dynamicvit", f"largest standard deviations of ranks: {told}")


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
    told = (
        f"among the worst three in {share:.0f} % of {len(own)} settings, {expected:.0f} % expected by chance"
    )
    return Finding(share > expected, told)


def ats_likes_nuswide(study: Evidence) -> Finding:
    study.need_methods("ats")
    study.need_several("datasets")
    if "nuswide" not in study.view.datasets:
        raise NotTestableError("the study has no data set 'nuswide'")
    places = {n: order(rows).index("ats") + 1 for n, rows in study.tables["scores"].groupby("dataset")}
    told = ", ".join(f"{study.view.datasets[name]} {place}" for name, place in places.items())
    others = [place for name, place in places.items() if name != "nuswide"]
    return Finding(places["nuswide"] <= 3 and min(others) > 3, f"place by average rank: {told}")


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
    told = ", ".join(f"{labels([name])} {value:+.2f}" for name, value in gain.items())
    return Finding(bool((gain > 0).all()), f"largest gains at 90 %: {told}")


CLAIMS = [
    Claim(
        "fixed_patterns_fall_behind",
        "4",
        "Fixed patterns keep up when most tokens are kept, and fall behind at low keep rates.",
        "mean distance of the best fixed pattern to the best learned pruning method; it grows with "
        "every step to a lower keep rate",
        ("scores",),
        fixed_patterns_fall_behind,
    ),
    Claim(
        "dynamicvit_is_unstable",
        "4",
        "DynamicViT is the least stable method.",
        "no method's rank has a larger standard deviation over settings",
        ("scores",),
        dynamicvit_is_unstable,
    ),
    Claim(
        "dynamicvit_often_worst",
        "4",
        "DynamicViT is often among the three worst methods below a keep rate of 90 %.",
        "share of settings in which it is among the worst three; more than the three places in all "
        "methods that chance would give",
        ("scores",),
        dynamicvit_often_worst,
    ),
    Claim(
        "ats_likes_nuswide",
        "4",
        "How good ATS is depends on the data set: very good on NUS-WIDE, average elsewhere.",
        "by average rank it is among the first three on NUS-WIDE and on no other data set",
        ("scores",),
        ats_likes_nuswide,
    ),
    Claim(
        "evit_gains_at_a_quarter",
        "4",
        "At a keep rate of 25 % EViT's fused token helps, by up to two points over Top-K.",
        "mean gain over settings; above zero",
        ("scores",),
        evit_gains_at_a_quarter,
    ),
    Claim(
        "some_exceed_the_unreduced",
        "4",
        "At a keep rate of 90 % Top-K, EViT, DynamicViT, ATS and ToMe can be better than no reduction.",
        "each of them exceeds the unreduced model in at least one setting",
        ("scores",),
        some_exceed_the_unreduced,
    ),
]
