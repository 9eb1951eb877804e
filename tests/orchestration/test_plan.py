"""Paths, inputs and arguments of a study's jobs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.orchestration.plans import Plans
from tests.study.studies import at, smoke, study
from tokred.artifacts.artifact import Artifact
from tokred.artifacts.registry import ARTIFACTS
from tokred.orchestration.search_plan import TRIAL_NAME
from tokred.orchestration.snakefile import StudyError
from tokred.orchestration.table_plan import TableJob
from tokred.settings import Hardware, parse
from tokred.study.study import Study
from tokred.tables.registry import TABLES

SMALL = {"datasets": ["digits", "scenes"], "backbones": ["vit_nano", "vit_micro"], "methods": ["topk", "sit"]}
SMALL |= {"keep_rates": [0.5], "seeds": [1, 0], "study": "small"}
SLICE = {"dataset": "digits", "backbone": "vit_nano", "seed": "0"}
RUN = {**SLICE, "method": "topk", "keep_rate": "0.50"}
RESULTS = "results/small"


def plan(**changes: object) -> Plans:
    return Plans(study({**SMALL, **changes}))


@pytest.fixture(scope="module")
def small() -> Plans:
    return plan()


def job(plan: Plans, rule: str) -> TableJob:
    (found,) = (job for job in plan.tables.jobs() if job.rule == rule)
    return found


def test_files_of_runs_are_those_of_the_study(small: Plans) -> None:
    assert small.tables.files("patterns", **SLICE) == [
        f"{RESULTS}/patterns/digits/vit_nano/{model}/0.parquet"
        for model in ("none/1.00", "sit/0.50", "topk/0.50")
    ]
    assert len(small.tables.files("scores")) == 2 * 2 * 3 * 2
    assert small.tables.files("cls_features", **RUN) == [
        f"{RESULTS}/features/digits/vit_nano/topk/0.50/0.parquet"
    ]


def test_files_of_other_tables_follow_their_slice(small: Plans) -> None:
    at_digits = [f"{RESULTS}/metrics/methods/digits/{name}/0.parquet" for name in ("vit_micro", "vit_nano")]
    assert small.tables.files("methods", dataset="digits", seed="0") == at_digits
    assert small.tables.files("backbones") == [
        f"{RESULTS}/metrics/backbones/{name}/{seed}.parquet"
        for name in ("digits", "scenes")
        for seed in (0, 1)
    ]
    assert small.tables.files("settings") == [f"{RESULTS}/metrics/settings.parquet"]


@pytest.mark.parametrize(
    ("rule", "wildcards", "inputs"),
    [
        ("compare_datasets", {"backbone": "vit_nano", "seed": "0"}, {"depth": ["digits", "scenes"]}),
        ("compare_proxies", SLICE, {"methods": ["digits"], "features": ["digits"]}),
    ],
)
def test_a_comparison_reads_the_tables_of_its_slice(
    small: Plans, rule: str, wildcards: dict[str, str], inputs: dict[str, list[str]]
) -> None:
    found = job(small, rule).inputs(wildcards)
    for table, datasets in inputs.items():
        assert found[table] == [f"{RESULTS}/metrics/{table}/{name}/vit_nano/0.parquet" for name in datasets]
    assert set(found) == set(TABLES[rule.removeprefix("compare_")].inputs)


def test_examples_read_the_pictures_of_their_data_set(small: Plans) -> None:
    examples, pictures = job(small, "show_examples"), job(small, "choose_pictures")
    assert examples.inputs(SLICE)["pictures"] == [f"{RESULTS}/metrics/pictures/digits.parquet"]
    assert pictures.inputs({"dataset": "scenes"}) == {
        "test_images": [f"{RESULTS}/datasets/scenes/test.parquet"]
    }
    arguments = pictures.arguments({"dataset": "scenes"})["arguments"]
    assert arguments == {"dataset": "scenes", "size": small.data.image_size, "crop_pct": None}
    assert (pictures.log, examples.log) == (
        f"{RESULTS}/logs/choose_pictures/{{dataset}}.log",
        f"{RESULTS}/logs/show_examples/{{dataset}}/{{backbone}}/{{seed}}.log",
    )


def test_a_job_makes_all_tables_of_its_rule(small: Plans) -> None:
    assert job(small, "summarize").outputs == {
        name: f"{RESULTS}/metrics/{name}/{{dataset}}/{{backbone}}/{{seed}}.parquet"
        for name in ("summary", "depth")
    }
    made = [table for job in small.tables.jobs() for table in job.outputs]
    assert sorted(made) == sorted(name for name, table in TABLES.items() if table.target)


def test_arguments_are_plain_values(small: Plans) -> None:
    for made in small.tables.jobs():
        json.dumps(made.arguments(SLICE))
    for arguments in (
        small.models.training(RUN),
        small.models.extraction(RUN),
        small.models.corruption(RUN),
        small.models.pretraining({"backbone": "vit_nano"}),
    ):
        json.dumps(arguments)
    json.dumps(small.data.arguments({"dataset": "digits", "split": "test"}))
    json.dumps(
        [
            small.artifacts.arguments("figure1"),
            small.artifacts.registry_facts("figure1"),
            small.artifacts.claims_facts(),
        ]
    )


def test_a_schedule_is_an_argument_of_the_jobs_that_depend_on_it(small: Plans) -> None:
    """Its numbers rerun trainings and extractions of its method, and no others."""
    jobs = ("training", "extraction", "corruption")
    constant, longer = (
        plan(**at("settings.methods.topk.schedule", {"0.50": {"kind": "constant", "number": number}}))
        for number in (2, 3)
    )
    for name in jobs:
        own = [getattr(made.models, name)(RUN)["model"] for made in (small, constant, longer)]
        assert [model.get("schedule", {}).get("number") for model in own] == [None, 2, 3]
        json.dumps(own)
        for other in ({"method": "sit"}, {"method": "none", "keep_rate": "1.00"}):
            found = [getattr(made.models, name)({**RUN, **other}) for made in (small, constant)]
            assert found[0] == found[1]
    assert "schedule" not in small.models.model_of(small.plan.runs[0])
    assert constant.plan.config != longer.plan.config
    assert parse(Study, constant.plan.config, "again") == constant.plan.study


def test_a_schedule_that_follows_the_keep_rate_has_it_as_an_argument() -> None:
    made = plan(**at("settings.methods.topk.schedule", {"kind": "matched", "shape": "falling"}))
    assert made.models.training(RUN)["model"]["schedule"] == {
        "kind": "matched",
        "keep_rate": "0.50",
        "shape": "falling",
        "locations": [3, 6, 9],
    }


def test_no_argument_depends_on_the_hardware(small: Plans) -> None:
    other = plan(hardware={"device": "cpu", "workers": 3}, environment="gpu")
    for name in ("training", "extraction", "corruption"):
        assert getattr(other.models, name)(RUN) == getattr(small.models, name)(RUN)
    assert other.plan.config == small.plan.config


def test_the_configuration_of_jobs_is_the_study(small: Plans) -> None:
    """Fields that a study leaves out remain unset, so that defaults apply."""
    again = parse(Study, small.plan.config, "again")
    assert again == small.plan.study
    assert again.training.model_fields_set == small.plan.study.training.model_fields_set


def test_trainings_read_the_test_split_only_to_choose_epochs(small: Plans) -> None:
    train = f"{RESULTS}/datasets/digits/train.parquet"
    assert small.models.training_inputs(RUN) == {"train": train}
    chosen = plan(training={"selection": "test"})
    assert chosen.models.training_inputs(RUN)["test"] == f"{RESULTS}/datasets/digits/test.parquet"


@pytest.mark.parametrize(
    ("weights", "inputs", "shipped"),
    [
        ("shipped", {}, "models/shipped_weights/vit_nano.safetensors"),
        ("pretrain", {"pretrained": f"{RESULTS}/pretrained/vit_nano.safetensors"}, None),
    ],
)
def test_weights_come_from_the_package_or_a_file(
    weights: str, inputs: dict[str, str], shipped: str | None
) -> None:
    found = plan(settings={"backbones": {"vit_nano": {"weights": weights}}})
    assert found.models.pretrained_weights("vit_nano") == inputs
    of_package = found.models.shipped_weights("vit_nano")
    assert [path for path, _ in of_package.values()] == ([] if shipped is None else [shipped])


def test_what_the_study_lacks_is_an_error(small: Plans) -> None:
    with pytest.raises(StudyError, match=r"'small' has no run digits/vit_nano/topk/0\.70/0: see its axes"):
        small.plan.run_of({**RUN, "keep_rate": "0.70"})
    with pytest.raises(StudyError, match="figure5 needs at least 2 datasets, the study has 1"):
        plan(datasets=["digits"]).artifacts.inputs("figure5")
    with pytest.raises(StudyError, match="study 'small' has no pretraining"):
        plan(pretraining=None).models.recipe_of("vit_nano")
    with pytest.raises(StudyError, match="'other' has no performance under results/other/scores"):
        plan(compare_with="other").tables.scores_to_compare_with()


def test_performance_of_another_study_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/other/scores/digits"
    folder.mkdir(parents=True)
    for name in ("a.parquet", ".b.parquet"):
        (folder / name).touch()
    compared = job(plan(compare_with="other"), "reference_scores")
    assert compared.inputs({}) == {"scores_of_other_study": ["results/other/scores/digits/a.parquet"]}
    assert compared.arguments({})["arguments"] == {"compare_with": "other"}


def test_all_artifacts_need_tables_that_are_made(small: Plans) -> None:
    assert f"{RESULTS}/figures/figure6.pdf" in small.artifacts.files()
    assert small.artifacts.files(["table1"]) == [
        f"{RESULTS}/tables/table1.{suffix}" for suffix in ("csv", "html", "md", "tex")
    ]
    tables = small.artifacts.all_tables()
    assert len(tables) == len(set(tables))
    assert {
        *small.tables.files("history"),
        *small.tables.files("scores"),
        *small.tables.files("depth"),
    } <= set(tables)
    assert small.artifacts.explorer_inputs()["patterns"] == small.tables.files("patterns", seed="1")


def test_names_of_wildcards(small: Plans) -> None:
    allowed = small.plan.wildcard_constraints
    for name, value in {**RUN, "figure": "figure13a", "table": "table1", "split": "test"}.items():
        assert re.fullmatch(allowed[name], value)
    assert not re.fullmatch(allowed["figure"], "table1")
    assert not re.fullmatch(allowed["keep_rate"], "0.5")


def test_a_study_asks_for_what_takes_further_passes(small: Plans) -> None:
    asking, names = plan(robustness=True), {"robustness", "corruptions", "calibration"}
    assert set(asking.artifacts.names) == set(small.artifacts.names) | names
    assert not set(small.artifacts.names) & names
    files = {f"{RESULTS}/figures/robustness.{suffix}" for suffix in ("pdf", "png")}
    files |= {
        f"{RESULTS}/tables/{n}.{s}" for n in names - {"robustness"} for s in ("csv", "html", "md", "tex")
    }
    assert set(asking.artifacts.files()) - set(small.artifacts.files()) == files
    tables = {file for name in ("robustness", "calibration") for file in small.tables.files(name)}
    assert len(tables) == len(small.plan.runs) + 2 * 2 * 2
    assert set(asking.artifacts.all_tables()) - set(small.artifacts.all_tables()) == tables
    # by name, they are there without the key
    assert small.artifacts.inputs("robustness") == asking.artifacts.inputs("robustness")


def test_resources_of_jobs(small: Plans) -> None:
    inputs = {"train": "none.parquet", "test": "none.parquet"}
    many = plan(hardware={"processes": 2, "nodes": 3, "workers": 1})
    training = many.models.training_estimate(RUN, inputs, lambda processes: processes)
    assert (training.gpus, training.hardware.processes) == (6, 2)
    assert training.epochs == many.models.training_of(many.plan.run_of(RUN)).epochs
    extraction = many.models.extraction_estimate(RUN, inputs, lambda processes: processes)
    assert (extraction.gpus, extraction.epochs, extraction.hardware) == (1, 1, Hardware(workers=1))
    assert extraction.batch_size == many.plan.study.evaluation_batch_size
    corruption = many.models.corruption_estimate(RUN, inputs, lambda processes: processes)
    assert corruption == replace(extraction, epochs=12)
    assert [small.data.estimate({"dataset": "digits"}, 2).memory(n) for n in (1, 2)] == [3000, 6000]


def test_a_study_without_training_has_published_scores() -> None:
    values = smoke() | {"scores": "published", "study": "told", "backbones": ["deit_small"], "seeds": [0]}
    values |= {"datasets": ["imagenet"], "methods": ["topk"], "keep_rates": [0.5], "compare_with": None}
    values["settings"]["datasets"]["imagenet"] = {"adapter": "imagenet", "options": {"root": "/nowhere"}}
    values["settings"]["backbones"]["deit_small"] = {
        "model": "deit_small_patch16_224", "image_size": 224, "patch_size": 16,
    }  # fmt: skip
    values |= {"locations": [3, 6, 9]}
    found = Plans(parse(Study, values, "published"))
    assert found.tables.files("scores") == ["results/told/published.parquet"]
    assert list(found.artifacts.claims_inputs()) == ["scores"]
    assert found.artifacts.pages() == []
    with pytest.raises(StudyError, match="trains no models"):
        found.plan.run_of(RUN)


def test_trials_of_a_search() -> None:
    values = SMALL | {"backbones": ["vit_nano"], "search": {}, "training": {"epochs": 30}}
    found = Plans(study(values)).search
    (first, *_), trial = found.trials, {**RUN, "trial": "baseline", "dataset": "scenes"}
    assert found.all_files()[: len(found.trials[first])] == found.files_of(first)
    inputs = found.trial_inputs(trial)
    assert inputs["train"] == f"{RESULTS}/datasets/scenes/train.parquet"
    assert inputs["chosen"] == f"{RESULTS}/search/chosen/scenes/vit_nano/none/1.00.json"
    assert found.trial(trial)["setting"] is None
    named = next(iter(found.trials[first]))
    own = {"dataset": first.dataset, "backbone": "vit_nano", "method": first.method}
    own |= {"keep_rate": first.keep_rate, "trial": named}
    assert found.trial(own)["setting"] == found.trials[first][named]
    assert "chosen" not in found.trial_inputs(own)
    assert "schedule" not in found.trial(own)["model"]
    scheduled = {**values, **at("settings.methods.topk.schedule", {"kind": "matched"})}
    again = Plans(study(scheduled)).search.trial({**own, "method": "topk"})
    assert again["model"]["schedule"]["keep_rate"] == "0.50"
    assert all(re.fullmatch(TRIAL_NAME, name) for options in found.trials.values() for name in options)
    with pytest.raises(StudyError, match="has no model digits/vit_micro/topk"):
        found.cell_of({"dataset": "digits", "backbone": "vit_micro", "method": "topk", "keep_rate": "0.50"})
    with pytest.raises(StudyError, match="has no trial"):
        found.trial({**own, "trial": "7"})
    with pytest.raises(StudyError, match="has no key `search`"):
        _ = Plans(study(at("study", "small"))).search.trials


def test_arguments_of_rules_do_not_depend_on_files() -> None:
    """Of parameters whose functions take more than wildcards, Snakemake does not see that they changed."""
    root = Path(__file__).parents[2]
    text = "".join(path.read_text() for path in root.glob("rules/*.smk"))
    taken = re.findall(r"^ {8,12}(\w+)=lambda (w[^:]*):", text.partition("rule ")[2], re.M)
    assert len(taken) > 10
    decided = {name for name, parameters in taken if parameters != "w"}
    assert decided <= {"files", "mem_mb", "runtime"}


def test_measurements_read_what_the_number_of_tokens_depends_on() -> None:
    """ATS keeps another number of tokens of each image: its first weights, and test images."""
    plans, at_backbone = plan(methods=["topk", "ats"]), {"backbone": "vit_micro"}
    measuring, counting = job(plans, "measure_efficiency"), job(plans, "count_macs")
    assert measuring.inputs(at_backbone) == {
        "measured_images": [f"{RESULTS}/datasets/digits/test.parquet"],
        "measured_weights": [f"{RESULTS}/checkpoints/digits/vit_micro/ats/0.50/1.safetensors"],
    }
    patterns = counting.inputs({})["dynamic_patterns"]
    assert len(patterns) == 8
    assert all(f"{RESULTS}/patterns/" in path and "/ats/0.50/" in path for path in patterns)
    assert counting.facts()["methods"]["ats"]["site"]
    assert (measuring.measured, counting.measured) == (True, False)


def test_measurements_without_such_methods_need_no_training(small: Plans) -> None:
    assert job(small, "measure_efficiency").inputs({"backbone": "vit_micro"}) == {}
    assert job(small, "count_macs").inputs({}) == {}
    published = Plans(study({**SMALL, "methods": ["ats"]}).model_copy(update={"scores": "published"}))
    assert job(published, "measure_efficiency").inputs({"backbone": "vit_micro"}) == {}
    assert job(published, "count_macs").inputs({}) == {}


def test_measurements_depend_on_the_device(small: Plans) -> None:
    arguments = job(small, "measure_efficiency").arguments({"backbone": "vit_micro"})["arguments"]
    assert (arguments["backbone"], arguments["device"]) == ("vit_micro", small.plan.study.hardware.device)


def test_what_needs_measurements_is_made_on_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other artifacts of the study stay as they are."""
    before = plan().artifacts
    slow = Artifact("speed1", "table", "Speed", "Speed.", ("scores", "efficiency"), "ranks:draw")
    cheap = Artifact("cost1", "table", "Cost", "Cost.", ("macs",), "ranks:draw")
    monkeypatch.setitem(ARTIFACTS, slow.name, slow)
    monkeypatch.setitem(ARTIFACTS, cheap.name, cheap)
    found = plan().artifacts
    assert found.measured == [*before.measured, "speed1"]
    assert set(found.files()) - set(before.files()) == {
        f"{RESULTS}/tables/cost1.{suffix}" for suffix in cheap.formats
    }
    measured = {f"{RESULTS}/metrics/efficiency/{name}.parquet" for name in ("vit_nano", "vit_micro")}
    assert measured <= set(before.measured_files())
    assert f"{RESULTS}/tables/speed1.csv" in found.measured_files()
    assert not measured & set(found.all_tables())
    assert f"{RESULTS}/metrics/macs.parquet" in found.all_tables()
