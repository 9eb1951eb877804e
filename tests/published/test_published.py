"""The paper's numbers as the package carries them."""

from __future__ import annotations

from tokred import published
from tokred.methods.registry import METHODS, PAPER
from tokred.tables import schemas


def test_scores_are_complete() -> None:
    scores = published.scores()
    assert list(scores.columns) == schemas.SCORES.names
    assert len(scores) == 12 * (1 + 13 * 4 - 1)  # ToMe cannot keep 25 %
    assert not scores.duplicated(schemas.SCORES.names[:5]).any()
    assert set(scores["method"]) == {"none", *PAPER}
    assert scores["score"].between(0, 100).all()
    row = scores.query("backbone == 'deit_small' and dataset == 'imagenet' and method == 'none'").squeeze()
    assert (row["keep_rate"], row["metric"]) == ("1.00", "top1")


def test_hyperparameters_have_every_method_and_data_set() -> None:
    found = published.hyperparameters()
    assert list(found["imagenet_selected"]) == list(found["selected_source"]) == list(PAPER)
    assert list(found["datasets"]) == ["imagenet", "nabirds", "coco", "nuswide"]


def test_accuracies_without_training() -> None:
    found = published.off_the_shelf()
    assert {entry.source for entry in found} == set(published.SOURCES)
    assert len({(e.model, e.method, e.per_block, e.options, e.gmacs) for e in found}) == len(found) == 32
    for entry in found:
        assert entry.method in METHODS or entry.method == "MaMe"
        assert (entry.gmacs is None) == (entry.per_block is not None)
        assert 70 < entry.score < 90
        assert entry.unreduced is None or 0 < entry.unreduced - entry.score < 8
    (small,) = [entry for entry in found if entry.method == "tome" and "vit_small" in entry.model]
    assert (small.per_block, small.score, small.unreduced, small.source) == (13, 79.30, 81.41, "ToMe")
