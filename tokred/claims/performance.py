"""Claims about the best methods (abstract, sections 1, 4 and 7)."""

from __future__ import annotations

import pandas as pd

from tokred.claims.claim import Basis, Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family
from tokred.run import UNREDUCED
from tokred.statistics.rank import average_rank, ranks

#: Columns of one setting.
SETTING = ["dataset", "backbone", "keep_rate", "seed"]
#: Families that learn which tokens to prune.
LEARNED = (Family.STATIC, Family.DYNAMIC)


def order(scores: pd.DataFrame) -> list[str]:
    """Methods by average rank, best first."""
    return list(average_rank(scores)["method"])


def labels(names: list[str]) -> str:
    """Labels of methods, joined by commas."""
    return ", ".join(METHODS[name].plain_label for name in names)


def by_method(scores: pd.DataFrame) -> pd.DataFrame:
    """Performance: one row per setting, one column per method."""
    return scores.set_index([*SETTING, "method"])["score"].unstack("method")


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
    table = average_rank(study.tables["scores"])
    first = ", ".join(f"{labels([row.method])} {row.mean:.2f}" for row in table.head(3).itertuples())
    return Finding(set(table["method"].head(2)) == {"topk", "evit"}, f"best average ranks: {first}")


def only_evit_outperforms_topk(study: Evidence) -> Finding:
    study.need_methods("topk", "evit")
    names = order(study.tables["scores"])
    better = names[: names.index("topk")]
    return Finding(better == ["evit"], f"ranked above Top-K on average: {labels(better) or 'none'}")


def learned_pruning_in_top_three(study: Evidence) -> Finding:
    return _consistently(study, study.methods(*LEARNED), best=True)


def soft_merging_in_bottom_three(study: Evidence) -> Finding:
    return _consistently(study, study.methods(Family.SOFT), best=False)


def _consistently(study: Evidence, names: list[str], best: bool) -> Finding:
    """Whether at least one of some methods is among the three best (or worst) in every setting."""
    study.need_several("methods", 6)
    scores = study.tables["scores"]
    scores = scores[scores["method"] != UNREDUCED]
    rank = scores.groupby(SETTING)["score"].rank(ascending=not best, method="min")
    among = scores.assign(among=(rank <= 3) & scores["method"].isin(names)).groupby(SETTING)["among"].any()
    end = "top" if best else "bottom"
    return Finding(bool(among.all()), f"among the {end} three in {among.sum()} of {len(among)} settings")


def _share_best(rows: pd.DataFrame, names: set[str]) -> tuple[float, int]:
    """Percent of the settings in which one of some methods is best, and the number of settings."""
    best = (
        ranks(rows)
        .groupby(SETTING)
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
    learned, hard = study.methods(*LEARNED), study.methods(Family.HARD)
    study.need_several("backbones")
    scores, largest = study.tables["scores"], list(study.view.backbones)[-1]
    table = by_method(scores[scores["backbone"] == largest])
    table = table.drop(columns=UNREDUCED).dropna(how="all")
    wins = table[learned].max(axis=1) > table[hard].max(axis=1)
    label = study.view.backbones[largest]
    return Finding(wins.mean() > 0.5, f"{label}: in {100 * wins.mean():.0f} % of {len(wins)} settings")


CLAIMS = [
    Claim(
        "topk_is_often_best",
        "4",
        "At keep rates from 50 to 90 % Top-K is the best method in 36 % of the settings and among "
        "the three best in 83 %.",
        "share of settings in which Top-K is best, and in which it is among the top three; both at least the "
        "paper's, rounded to whole percent",
        Basis.PAPER,
        ("scores",),
        topk_is_often_best,
    ),
    Claim(
        "two_best_ranks",
        "4, Figure 1",
        "Top-K and EViT are the two best methods on average.",
        "the two smallest average ranks are theirs",
        Basis.PAPER,
        ("scores",),
        two_best_ranks,
    ),
    Claim(
        "only_evit_outperforms_topk",
        "7",
        "Only EViT does better than Top-K.",
        "EViT, and no other method, has a smaller average rank than Top-K",
        Basis.PAPER,
        ("scores",),
        only_evit_outperforms_topk,
    ),
    Claim(
        "learned_pruning_in_top_three",
        "4",
        "Pruning methods that learn their pattern are consistently among the top three.",
        "at least one learned pruning method is among the three best in every setting (data set, backbone, "
        "keep rate)",
        Basis.PAPER,
        ("scores",),
        learned_pruning_in_top_three,
    ),
    Claim(
        "soft_merging_in_bottom_three",
        "4",
        "Soft merging methods are consistently among the bottom three.",
        "at least one soft merging method is among the three worst in every setting (data set, backbone, "
        "keep rate)",
        Basis.PAPER,
        ("scores",),
        soft_merging_in_bottom_three,
    ),
    Claim(
        "hard_merging_wins_when_small",
        "4",
        "With the smaller backbones and few tokens, ToMe or DPC-KNN regularly does better than all others.",
        "one of them is best in more than half of the settings with keep rates of 25 to 50 %, without "
        "the largest backbone",
        Basis.OURS,
        ("scores",),
        hard_merging_wins_when_small,
    ),
    Claim(
        "hard_merging_wins_on_imagenet",
        "4",
        "Where hard merging wins with the smaller backbones, it does so on ImageNet above all.",
        "ToMe or DPC-KNN is best in a larger share of the settings of ImageNet than of the other "
        "data sets (keep rates of 25 to 50 %, without the largest backbone)",
        Basis.OURS,
        ("scores",),
        hard_merging_wins_on_imagenet,
    ),
    Claim(
        "learned_pruning_wins_when_large",
        "4",
        "With the largest backbone learned pruning does better than hard merging.",
        "the best learned pruning method beats the best hard merging method in more than half of "
        "the settings",
        Basis.OURS,
        ("scores",),
        learned_pruning_wins_when_large,
    ),
]
