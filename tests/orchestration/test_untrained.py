"""The jobs of a study without training."""

from __future__ import annotations

import pytest

from tests.orchestration.plans import Plans
from tests.study.studies import at, overlaid, study
from tokred.artifacts.registry import ARTIFACTS
from tokred.orchestration.cost import cost_table
from tokred.orchestration.snakefile import StudyError

CHANGES = {
    "study": "small",
    "training": "none",
    "backbones": ["vit_nano"],
    "methods": ["topk", "tome", "dpcknn"],
    "keep_rates": [0.5],
}
RUN = {"dataset": "digits", "backbone": "vit_nano", "method": "dpcknn", "keep_rate": "0.50", "seed": "0"}


def plans(weights: str = "shipped") -> Plans:
    backbone = {"weights": weights, "image_size": 30, "patch_size": 3}
    return Plans(study(overlaid(CHANGES, at("settings.backbones.vit_nano", backbone))))


def test_weights_of_an_extraction() -> None:
    shipped = plans()
    assert shipped.models.evaluated_backbone(RUN) == []
    (path, _) = shipped.models.shipped_and_evaluated(RUN)["weights"]
    assert path == "models/shipped_weights/vit_nano.safetensors"
    assert (
        shipped.models.shipped_and_evaluated(RUN)["weights"]
        == (shipped.models.shipped_weights("vit_nano")["pretrained"])
    )
    own = plans("pretrain")
    assert own.models.evaluated_backbone(RUN) == "results/small/pretrained/vit_nano.safetensors"
    timms = plans("timm")
    for made in (own, timms):
        assert made.models.shipped_and_evaluated(RUN) == {}
    assert timms.models.evaluated_backbone(RUN) == []
    found = shipped.models.extraction(RUN)
    assert found["trained"] is False
    assert found["model"]["options"] == {"neighbors": 5, "weights": "equal"}


def test_trained_models_bring_their_weights() -> None:
    made = Plans(study({**CHANGES, "training": None}))
    assert made.models.extraction(RUN)["trained"] is True
    assert made.models.shipped_and_evaluated(RUN) == {}


def test_nothing_is_trained() -> None:
    made = plans()
    with pytest.raises(StudyError, match=r"study 'small' trains no models \(training: 'none'\)"):
        made.models.training_inputs(RUN)
    searching = Plans(study({**CHANGES, "search": {}}))
    with pytest.raises(StudyError, match="study 'small' trains no models"):
        searching.search.trials  # noqa: B018


def test_artifacts_and_tables_are_those_without_training() -> None:
    made = plans()
    assert {"figure1", "table1", "figure6", "comparison"} <= set(made.artifacts.names)
    assert not {"table2", "table3", "table4", "table5"} & set(made.artifacts.names)
    with pytest.raises(StudyError, match="table4 needs settings, the study trains no models"):
        made.artifacts.inputs("table4")
    with pytest.raises(StudyError, match=r"off_the_shelf needs ImageNet without training \(`training: none`"):
        made.artifacts.inputs("off_the_shelf")
    files = made.artifacts.all_tables()
    assert any(file.startswith("results/small/scores/") for file in files)
    assert not any("/history/" in file or "settings" in file for file in files)
    assert made.artifacts.pages() == ["results/small/explorer.html"]


@pytest.mark.slow
def test_captions_say_that_nothing_is_fine_tuned() -> None:
    sentence = "The methods act in pretrained backbones, without fine-tuning."
    captions = {n: plans().artifacts.registry_facts(n)["caption"] for n in ("figure1", "figure7", "table1")}
    assert [name for name, caption in captions.items() if sentence in caption] == ["figure1", "table1"]
    trained = Plans(study({**CHANGES, "training": None}))
    assert sentence not in trained.artifacts.registry_facts("table1")["caption"]


def test_names_of_artifacts_for_people() -> None:
    names = ["figure13a", "table1", "differences", "off_the_shelf"]
    expected = ["Figure 13a", "Table 1", "Differences", "Off the shelf"]
    assert [ARTIFACTS[name].label for name in names] == expected


def test_cost_is_that_of_evaluation() -> None:
    costs = cost_table(plans().plan.study).values
    assert set(costs["", "10^6 training images"]) == {"0.0"}
    assert set(costs["GB", "checkpoints"]) == {"0.00"}
    assert float(costs["", "10^18 MAC"].iloc[-1]) > 0
