"""What the paper says of performance (abstract, sections 1, 4 and 7, appendix C)."""

from __future__ import annotations

import pandas as pd

from tokred.claims.claim import Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family
from tokred.metrics.rank import average_rank, ranks
from tokred.run import UNREDUCED

#: Columns of one setting.
_SETTING = ["dataset", "backbone", "keep_rate", "seed"]
_LEARNED = (Family.STATIC, Family.DYNAMIC)


def _order(scores: pd.DataFrame) -> list[str]:
    return list(average_rank(scores)["method"])


def _labels(names: list[str]) -> str:
    return ", ".join(METHODS[name].plain_label for name in names)


def topk_is_often_best(study: Evidence) -> Finding:
    study.need_methods("topk")
    study.need_several("methods", 4)
    rank = ranks(study.tables["scores"])
    rank = rank[(rank["method"] == "topk") & rank["keep_rate"].between("0.50", "0.90")]["rank"]
    if rank.empty:
        raise NotTestableError("the study has no keep rate from 0.50 to 0.90")
    best, top = 100 * (rank == 1).mean(), 100 * (rank <= 3).mean()
    holds = round(best) >= 36 and round(top) >= 83
    return Finding(holds, f"best in {best:.0f} %, among the top three in {top:.0f} % of {len(rank)} settings")


def two_best_ranks(study: Evidence) -> Finding:
    study.need_methods("topk", "evit")
    study.need_several("methods", 4)
    order = average_rank(study.tables["scores"])
    first = ", ".join(f"{_labels([row.method])} {row.mean:.2f}" for row in order.head(3).itertuples())
    return Finding(set(order["method"].head(2)) == {"topk", "evit"}, f"best average ranks: {first}")


def only_evit_outperforms_topk(study: Evidence) -> Finding:
    study.need_methods("topk", "evit")
    order = _order(study.tables["scores"])
    better = order[: order.index("topk")]
    return Finding(better == ["evit"], f"ranked above Top-K on average: {_labels(better) or 'none'}")


def learned_pruning_in_top_three(study: Evidence) -> Finding:
    learned = set(study.methods(*_LEARNED))
    study.need_several("methods", 6)
    tops = {name: _order(rows)[:3] for name, rows in study.tables["scores"].groupby("dataset")}
    told = "; ".join(f"{study.view.datasets[name]}: {_labels(top)}" for name, top in tops.items())
    return Finding(all(learned & set(top) for top in tops.values()), told)


def soft_merging_in_bottom_three(study: Evidence) -> Finding:
    soft = set(study.methods(Family.SOFT))
    study.need_several("methods", 6)
    bottoms = {name: _order(rows)[-3:] for name, rows in study.tables["scores"].groupby("dataset")}
    told = "; ".join(f"{study.view.datasets[name]}: {_labels(bottom)}" for name, bottom in bottoms.items())
    return Finding(all(soft <= set(bottom) for bottom in bottoms.values()), told)


def _share_best(rows: pd.DataFrame, names: set[str]) -> tuple[float, int]:
    """Percent of the settings in which one of some methods is best, and the number of settings."""
    best = (
        ranks(rows)
        .groupby(_SETTING)
        .apply(lambda of: bool(names & set(of.loc[of["rank"] == 1, "method"])), include_groups=False)
    )
    return 100 * best.mean(), len(best)


def hard_merging_wins_when_small(study: Evidence) -> Finding:
    study.need_methods("tome", "dpcknn")
    study.need_several("backbones")
    scores, largest = study.tables["scores"], list(study.view.backbones)[-1]
    chosen = scores[(scores["backbone"] != largest) & scores["keep_rate"].between("0.25", "0.50")]
    if chosen.empty:
        raise NotTestableError("the study has no keep rate from 0.25 to 0.50")
    share, count = _share_best(chosen, {"tome", "dpcknn"})
    return Finding(share > 50, f"ToMe or DPC-KNN best in {share:.0f} % of {count} settings")


def hard_merging_wins_on_imagenet(study: Evidence) -> Finding:
    study.need_methods("tome", "dpcknn")
    study.need_several("datasets")
    if "imagenet" not in study.view.datasets:
        raise NotTestableError("the study has no data set 'imagenet'")
    scores, largest = study.tables["scores"], list(study.view.backbones)[-1]
    chosen = scores[(scores["backbone"] != largest) & scores["keep_rate"].between("0.25", "0.50")]
    here = chosen["dataset"] == "imagenet"
    there, _ = _share_best(chosen[~here], {"tome", "dpcknn"})
    share, _ = _share_best(chosen[here], {"tome", "dpcknn"})
    return Finding(
        share > there, f"best in {share:.0f} % of the settings on ImageNet, {there:.0f} % elsewhere"
    )


def learned_pruning_wins_when_large(study: Evidence) -> Finding:
    learned, hard = study.methods(*_LEARNED), study.methods(Family.HARD)
    study.need_several("backbones")
    scores, largest = study.tables["scores"], list(study.view.backbones)[-1]
    table = scores[scores["backbone"] == largest].set_index([*_SETTING, "method"])["score"].unstack("method")
    table = table.drop(columns=UNREDUCED).dropna(how="all")
    wins = table[learned].max(axis=1) > table[hard].max(axis=1)
    label = study.view.backbones[largest]
    return Finding(wins.mean() > 0.5, f"{label}: in {100 * wins.mean():.0f} % of {len(wins)} settings")


def fixed_patterns_fall_behind(study: Evidence) -> Finding:
    fixed, learned = study.methods(Family.FIXED), study.methods(*_LEARNED)
    study.need_several("keep_rates")
    table = study.tables["scores"].set_index([*_SETTING, "method"])["score"].unstack("method")
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
    told = ", ".join(f"{_labels([name])} {value:.2f}" for name, value in spread.head(3).items())
    return Finding(spread.index[0] == "dynamicvit", f"largest standard deviations of ranks: {told}")


def dynamicvit_often_worst(study: Evidence) -> Finding:
    study.need_methods("dynamicvit")
    study.need_several("methods", 6)
    scores = study.tables["scores"]
    reduced = scores[(scores["method"] != UNREDUCED) & (scores["keep_rate"] < "0.90")]
    if reduced.empty:
        raise NotTestableError("the study has no keep rate below 0.90")
    worst = reduced.groupby(_SETTING)["score"].rank(ascending=True, method="min")
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
    places = {n: _order(rows).index("ats") + 1 for n, rows in study.tables["scores"].groupby("dataset")}
    told = ", ".join(f"{study.view.datasets[name]} {place}" for name, place in places.items())
    others = [place for name, place in places.items() if name != "nuswide"]
    return Finding(places["nuswide"] <= 3 and min(others) > 3, f"place by average rank: {told}")


def evit_gains_at_a_quarter(study: Evidence) -> Finding:
    study.need_methods("topk", "evit")
    study.need_rates("0.25")
    table = study.tables["scores"].query("keep_rate == '0.25'")
    table = table.set_index([*_SETTING, "method"])["score"].unstack("method")
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
    told = ", ".join(f"{_labels([name])} {value:+.2f}" for name, value in gain.items())
    return Finding(bool((gain > 0).all()), f"largest gains at 90 %: {told}")


CLAIMS = [
    Claim(
        "topk_is_often_best",
        "4",
        "At keep rates from 50 to 90 % Top-K is the best method in 36 % of the settings and among "
        "the three best in 83 %.",
        "share of settings in which Top-K is best, and in which it is among the top three; both at least the "
        "paper's, rounded to whole percent",
        ("scores",),
        topk_is_often_best,
    ),
    Claim(
        "two_best_ranks",
        "4, Figure 1",
        "Top-K and EViT are the two best methods on average.",
        "the two smallest average ranks are theirs",
        ("scores",),
        two_best_ranks,
    ),
    Claim(
        "only_evit_outperforms_topk",
        "7",
        "Only EViT does better than Top-K.",
        "EViT, and no other method, has a smaller average rank than Top-K",
        ("scores",),
        only_evit_outperforms_topk,
    ),
    Claim(
        "learned_pruning_in_top_three",
        "4",
        "On every data set a pruning method that learns its pattern is among the three best.",
        "the three smallest average ranks of each data set include a learned pruning method",
        ("scores",),
        learned_pruning_in_top_three,
    ),
    Claim(
        "soft_merging_in_bottom_three",
        "4",
        "On every data set the soft merging methods are the three worst.",
        "the three largest average ranks of each data set include all soft merging methods of the study",
        ("scores",),
        soft_merging_in_bottom_three,
    ),
    Claim(
        "hard_merging_wins_when_small",
        "4",
        "With the smaller backbones and few tokens, ToMe or DPC-KNN regularly does better than all others.",
        "one of them is best in more than half of the settings with keep rates of 25 to 50 %, the largest "
        "backbone aside",
        ("scores",),
        hard_merging_wins_when_small,
    ),
    Claim(
        "hard_merging_wins_on_imagenet",
        "4",
        "Where hard merging wins with the smaller backbones, it does so on ImageNet above all.",
        "ToMe or DPC-KNN is best in a larger share of the settings of ImageNet than of the other "
        "data sets (keep rates of 25 to 50 %, the largest backbone aside)",
        ("scores",),
        hard_merging_wins_on_imagenet,
    ),
    Claim(
        "learned_pruning_wins_when_large",
        "4",
        "With the largest backbone learned pruning does better than hard merging.",
        "the best learned pruning method beats the best hard merging method in more than half of "
        "the settings",
        ("scores",),
        learned_pruning_wins_when_large,
    ),
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
