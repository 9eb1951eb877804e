"""What Snakemake prints when a job starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from snakemake.iocontainers import Wildcards
from snakemake.utils import format as format_as_snakemake

from tests.study.studies import study
from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.messages import Message, Messages
from tokred.orchestration.plan import Plan
from tokred.orchestration.table_plan import TablePlan

ROOT = Path(__file__).parents[2]
RUN = {"dataset": "scenes", "backbone": "vit_micro", "method": "topk", "keep_rate": "0.50", "seed": "0"}
MODEL = {name: RUN[name] for name in ("dataset", "backbone", "method", "keep_rate")}


@pytest.fixture(scope="module")
def messages() -> Messages:
    return Messages(study())


@pytest.mark.parametrize(
    ("rule", "wildcards", "message"),
    [
        ("train", RUN, "Fine-tune Top-K at 50 % on Scenes, ViT-Micro, seed 0"),
        (
            "train",
            {**RUN, "method": "none", "keep_rate": "1.00", "seed": "3"},
            "Fine-tune the unreduced model on Scenes, ViT-Micro, seed 3",
        ),
        (
            "extract",
            {**RUN, "keep_rate": "0.875"},
            "Extract patterns and features of Top-K at 87.5 % on Scenes, ViT-Micro, seed 0",
        ),
        (
            "evaluate_corrupted",
            RUN,
            "Evaluate Top-K at 50 % on Scenes, ViT-Micro, seed 0, on corrupted images",
        ),
        ("prepare", {"dataset": "digits", "split": "train"}, "Prepare the training split of Digits"),
        ("pretrain", {"backbone": "vit_nano"}, "Pretrain ViT-Nano from scratch"),
        ("figure", {"figure": "figure13a"}, "Draw Figure 13a"),
        ("table", {"table": "table1"}, "Make Table 1"),
        (
            "compare_methods",
            {"dataset": "scenes", "backbone": "vit_micro", "seed": "0"},
            "Compare methods: Scenes, ViT-Micro, seed 0",
        ),
        ("compare_backbones", {"dataset": "scenes", "seed": "1"}, "Compare backbones: Scenes, seed 1"),
        ("choose_pictures", {"dataset": "digits"}, "Choose example images: Digits"),
        ("list_settings", {}, "List training settings of study default"),
        (
            "try_setting",
            {**MODEL, "trial": "first"},
            "Try the setting of the first data set for Top-K at 50 % on Scenes, ViT-Micro",
        ),
        (
            "try_setting",
            {**MODEL, "trial": "0.01_128"},
            "Try setting 0.01_128 for Top-K at 50 % on Scenes, ViT-Micro",
        ),
        ("choose_setting", MODEL, "Choose the setting of Top-K at 50 % on Scenes, ViT-Micro"),
        ("all", {}, "Finish all results of study default"),
    ],
)
def test_messages_of_jobs(messages: Messages, rule: str, wildcards: dict[str, str], message: str) -> None:
    assert messages.of(rule, wildcards) == message
    names = {"MESSAGES": messages, "rule": rule, "wildcards": Wildcards(fromdict=wildcards)}
    assert format_as_snakemake(Message(lambda: False), **names) == message


def test_every_rule_has_a_message(messages: Messages) -> None:
    plan = Plan(study())
    tables = TablePlan(plan, DataPlan(plan))
    rules = {}
    for path in [ROOT / "Snakefile", *ROOT.glob("rules/*.smk")]:
        parts = re.split(r"^ *rule (\w*):$", path.read_text(), flags=re.M)
        rules |= dict(zip(parts[1::2], parts[2::2], strict=True))
    assert all(re.search(r"^ +message:\n +MESSAGE$", body, re.M) for body in rules.values())
    anything = {**RUN, "split": "test", "figure": "figure1", "table": "table1", "trial": "first"}
    for rule in [*filter(None, rules), *(job.rule for job in tables.jobs())]:
        wildcards = {**anything, **({"figure": "figure1"} if rule == "figure" else {})}
        if rule in ("figure", "table"):
            wildcards = {rule: f"{rule}1"}
        assert re.fullmatch(r"[A-Z][^{}]+", messages.of(rule, wildcards))


def test_a_dry_run_shows_rules_instead() -> None:
    assert not Message(lambda: True)
