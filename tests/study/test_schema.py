"""The JSON schema of the configuration is in step with the model that it is generated from."""

from __future__ import annotations

import json
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tokred.data.registry import ADAPTERS
from tokred.methods.registry import METHODS
from tokred.study.study import Study

SCHEMA = Path(__file__).parents[2] / "workflow/schema/config.schema.json"


def test_schema_is_what_the_program_prints(capsys: pytest.CaptureFixture) -> None:
    runpy.run_module("tokred.study", run_name="__main__")
    printed = json.loads(capsys.readouterr().out)
    stored = json.loads(SCHEMA.read_text())
    assert stored == printed, f"run: python -m tokred.study > {SCHEMA.name}, in its folder"


def test_editors_find_the_schema() -> None:
    """The first line of config.yaml is the one that YAML language servers read."""
    config = SCHEMA.parents[2] / "config.yaml"
    line = config.read_text().splitlines()[0]
    path = line.removeprefix("# yaml-language-server: $schema=")
    assert path != line
    assert (config.parent / path).resolve() == SCHEMA.resolve()


@cache
def models() -> dict[str, Any]:
    """The schema of each model of the configuration."""
    return Study.model_json_schema()["$defs"]


def properties(reference: dict[str, Any]) -> dict[str, Any]:
    """The keys of a model that a part of the schema refers to."""
    return models()[reference["$ref"].rpartition("/")[2]]["properties"]


@pytest.mark.parametrize("name", METHODS)
def test_schema_has_the_options_of_each_method(name: str) -> None:
    methods = properties(properties({"$ref": "Settings"})["methods"])
    assert list(methods) == list(METHODS)
    found = properties(properties(methods[name])["options"])
    assert list(found) == list(METHODS[name].options.model_fields)


@pytest.mark.parametrize("name", ADAPTERS)
def test_schema_has_the_options_of_each_adapter(name: str) -> None:
    (datasets,) = properties({"$ref": "Settings"})["datasets"]["patternProperties"].values()
    assert list(datasets["discriminator"]["mapping"]) == sorted(ADAPTERS)
    dataset = properties({"$ref": datasets["discriminator"]["mapping"][name]})
    assert dataset["adapter"]["const"] == name
    assert list(properties(dataset["options"])) == list(ADAPTERS[name].options.model_fields)
