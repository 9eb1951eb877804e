"""The registry of result tables: what it says agrees with schemas, claims, plans and the documentation."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from tokred.artifacts.registry import ARTIFACTS
from tokred.claims import TABLES as CLAIMED
from tokred.claims.verdicts import GROUPS
from tokred.orchestration.table_plan import STUDY_ARGUMENTS
from tokred.run import RUN_COLUMNS
from tokred.tables import parquet
from tokred.tables.registry import (
    DYNAMIC_PATTERNS,
    FOREIGN,
    MEASURED_IMAGES,
    TABLES,
    TEST_IMAGES,
    markdown,
    metrics_in,
)

ROOT = Path(__file__).parents[2]
MADE = {name: table for name, table in TABLES.items() if table.target}


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.schema])
def test_files_say_what_the_registry_says(name: str) -> None:
    assert parquet.kind_of(TABLES[name].columns) == TABLES[name].kind


@pytest.mark.parametrize("name", MADE)
def test_inputs_and_arguments_are_those_of_the_function(name: str) -> None:
    table = MADE[name]
    module, _, function = table.target.partition(":")
    given = inspect.signature(getattr(importlib.import_module(module), function)).parameters
    assert list(given) == ["inputs", *table.arguments, *table.of_study]
    assert set(table.of_study) <= set(STUDY_ARGUMENTS)
    assert set(table.inputs) <= {*TABLES, TEST_IMAGES, DYNAMIC_PATTERNS, MEASURED_IMAGES, *FOREIGN}
    assert table.does


def test_a_file_covers_a_slice() -> None:
    assert (TABLES["methods"].folder, TABLES["methods"].slice) == (
        "metrics/methods",
        "{dataset}/{backbone}/{seed}",
    )
    assert (TABLES["settings"].folder, TABLES["settings"].slice) == ("metrics/settings", "")
    assert [name for name, table in TABLES.items() if table.of_runs] == [
        "scores",
        "history",
        "predictions",
        "patterns",
        "cls_features",
    ]
    assert "/".join(f"{{{name}}}" for name in RUN_COLUMNS) == TABLES["scores"].slice


def test_no_two_tables_share_a_file() -> None:
    assert len({table.path for table in TABLES.values()}) == len(TABLES)


def test_claims_need_the_tables_for_claims() -> None:
    assert set(CLAIMED) == {table for claims in GROUPS.values() for claim in claims for table in claim.needs}


def test_artifacts_need_tables_with_a_topic() -> None:
    for artifact in ARTIFACTS.values():
        assert set(artifact.needs) <= set(TABLES)
        assert artifact.topic
    topics = [ARTIFACTS[name].topic for name in ("table1", "figure6", "figure1", "figure36")]
    assert topics == ["Performance", "Proxies for performance", "Performance", "Example images"]


def test_metrics_of_a_table_are_its_own_or_those_of_its_inputs() -> None:
    assert metrics_in(TABLES["fixed"]) == ("iou",)
    assert metrics_in(TABLES["proxies"]) == (*TABLES["methods"].metrics, *TABLES["features"].metrics)
    assert metrics_in(TABLES["pictures"]) == ()


def test_documentation_lists_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """As `python -m tokred.tables` prints it."""
    importlib.import_module("tokred.tables.__main__")
    assert capsys.readouterr().out == f"{markdown()}\n"
    assert f"\n{markdown()}\n" in (ROOT / "docs/results.md").read_text()
