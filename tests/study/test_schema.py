"""The JSON schema of the configuration is in step with the model that it is generated from."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

SCHEMA = Path(__file__).parents[2] / "workflow/schema/config.schema.json"


def test_schema_is_what_the_program_prints(capsys: pytest.CaptureFixture) -> None:
    runpy.run_module("tokred.study", run_name="__main__")
    printed = json.loads(capsys.readouterr().out)
    stored = json.loads(SCHEMA.read_text())
    assert stored == printed, f"run: python -m tokred.study > {SCHEMA.name}, in its folder"
