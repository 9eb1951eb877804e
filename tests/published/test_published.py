"""The paper's numbers as the package carries them."""

from __future__ import annotations

from tokred import published
from tokred.methods.registry import PAPER
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
