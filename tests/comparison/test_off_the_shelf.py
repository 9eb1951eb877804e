"""Published accuracies beside the runs of a study of ImageNet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.study.studies import default, overlaid
from tokred.comparison.off_the_shelf import rows
from tokred.tables import schemas

SMALL = {
    "model": "deit_small_patch16_224.fb_in1k",
    "image_size": 224,
    "patch_size": 16,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "weights": "timm",
    "pretrained_on": "imagenet",
}
CONFIG = {
    "training": "none",
    "datasets": ["imagenet"],
    "backbones": ["small", "base"],
    "methods": ["evit", "tome", "gtp"],
    "keep_rates": [0.5, 0.9],
    "settings": {
        "datasets": {
            "imagenet": {"adapter": "imagenet", "options": {"root": "x"}, "images": {"source": "stream"}}
        },
        "backbones": {"small": SMALL, "base": {**SMALL, "model": "deit_base_patch16_224.fb_in1k"}},
        "methods": {name: {"schedule": {"kind": "matched"}} for name in ("tome", "gtp")},
    },
}


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    return rows({}, overlaid(default(), CONFIG))


def test_every_published_accuracy_of_the_backbones(found: list[dict[str, Any]]) -> None:
    assert {row["backbone"] for row in found} == {"small", "base"}
    assert len(found) == 5 + 19
    assert all(list(row) == schemas.OFF_THE_SHELF.names for row in found)


def test_runs_of_about_the_same_cost(found: list[dict[str, Any]]) -> None:
    (tome,) = [row for row in found if (row["backbone"], row["method"]) == ("small", "tome")]
    assert (tome["score"], tome["unreduced"], tome["gmacs"]) == (77.99, 79.82, 2.3)
    assert (tome["keep_rate"], tome["setting"]) == ("0.50", "2.3 G")
    assert tome["own_gmacs"] == pytest.approx(2.278, rel=0.005)
    gtp = {row["setting"].partition(",")[0]: row for row in found if row["method"] == "gtp"}
    # 17.564 G without reduction; 8 tokens less in each block: a fourth of the operations.
    assert gtp["8 per block"]["gmacs"] == pytest.approx(13.1, abs=0.05)
    assert gtp["8 per block"]["keep_rate"] == ""
    assert gtp["8 per block"]["own_gmacs"] is None
    assert gtp["4 per block"]["keep_rate"] == "0.90"
    assert {row["keep_rate"] for row in found if row["method"] in ("MaMe", "diffrate")} == {""}


def test_trained_studies_have_none() -> None:
    values = overlaid(default(), {**CONFIG, "training": {"selection": "last", "crop": "random"}})
    values["built_in_training"] = {}
    assert rows({}, values) == []
