"""The JSON schema of the configuration is in step with the model that it is generated from."""

from __future__ import annotations

import json
from pathlib import Path

from tokred.study.study import Study

SCHEMA = Path(__file__).parents[2] / "workflow/schema/config.schema.json"


def test_schema_is_in_step_with_the_model() -> None:
    stored = json.loads(SCHEMA.read_text())
    assert stored == Study.model_json_schema(), f"run: python -m tokred.study > {SCHEMA.name}, in its folder"


def test_editors_find_the_schema() -> None:
    """The first line of config.yaml is the one that YAML language servers read."""
    config = SCHEMA.parents[2] / "config.yaml"
    line = config.read_text().splitlines()[0]
    path = line.removeprefix("# yaml-language-server: $schema=")
    assert path != line
    assert (config.parent / path).resolve() == SCHEMA.resolve()
