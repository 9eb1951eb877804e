"""A study of unrelated random patterns passes no claim of agreement."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.artifacts.tables import view
from tests.claims.unrelated import study_of_unrelated_patterns
from tokred.claims.claim import Evidence
from tokred.claims.verdicts import FAILS, GROUPS, HOLDS, Verdict, decide_all
from tokred.metrics.chance import chance_adjusted
from tokred.metrics.registry import METRICS
from tokred.study.view import View

pytestmark = pytest.mark.slow

SHOWN: View = view(2, 2, ("0.25", "0.50", "0.70", "0.90"))
#: Claims that patterns differ: true of unrelated ones.
DIFFER = {
    "others_fall_towards_the_bound",
    "pruning_depends_on_the_backbone",
    "other_soft_clusters_disagree",
    "learned_differs_from_fixed",
}
#: Claims that average patterns are alike, or that similarity tells something.
AGREE = {
    "maps_correlate",
    "exceptions_correlate_positively",
    "ranks_of_maps_correlate",
    "other_measures_agree_with_pearson",
    "topk_and_evit_look_alike",
    *(claim.name for claim in GROUPS["Similarity as a proxy for performance"]),
}
#: All others about pairs of patterns say that these agree, somewhere or more than others.
PAIRED = {claim.name for claim in GROUPS["Patterns over keep rates and backbones"]}
AGREE |= PAIRED - DIFFER


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    return study_of_unrelated_patterns(tmp_path_factory.mktemp("unrelated"), SHOWN)


@pytest.fixture(scope="module")
def verdicts(study: dict[str, pd.DataFrame]) -> dict[str, Verdict]:
    groups = decide_all(Evidence(study, SHOWN))
    return {verdict.claim: verdict for of_group in groups.values() for verdict in of_group}


@pytest.mark.parametrize("name", sorted(AGREE))
def test_no_claim_of_agreement_holds(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].verdict == FAILS, verdicts[name].numbers


@pytest.mark.parametrize("name", sorted(DIFFER))
def test_claims_that_patterns_differ_hold(name: str, verdicts: dict[str, Verdict]) -> None:
    assert verdicts[name].verdict == HOLDS, verdicts[name].numbers


@pytest.mark.parametrize("table", ["keep_rates", "backbones", "fixed"])
def test_agreement_of_unrelated_patterns_is_zero(table: str, study: dict[str, pd.DataFrame]) -> None:
    """In every metric, at every stage and keep rate, though their values are up to 0.97."""
    rows = study[table]
    assert not rows["degenerate"].any()
    agreement = chance_adjusted(rows["mean"], rows["chance"])
    keys = [rows["metric"], rows["keep_rate"], rows["stage"]]
    assert agreement.groupby(keys).mean().abs().max() < 0.03
    assert rows["mean"].max() > 0.75
    assert set(rows["metric"]) <= {name for name, metric in METRICS.items() if metric.kind != "maps"}
