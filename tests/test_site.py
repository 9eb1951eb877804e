"""The documentation as a site: it builds without a warning, and loads nothing from the network."""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((ROOT / "workflow/schema/config.schema.json").read_text())


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = _module("hooks")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    return folder


class _Loaded(HTMLParser):
    """Collects the addresses that a page loads by itself: scripts, style sheets, pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and given.get("src"):
            self.found.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.found.append(given["href"])


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= 30
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert len(loaded.found) >= 3
        for address in loaded.found:
            path, _, _ = address.partition("?")
            file = site / path[1:] if path.startswith("/") else page.parent / path  # 404.html: from the root
            assert file.is_file(), f"{page.name} loads {address}"


def test_diagrams_and_search_work_offline(site: Path) -> None:
    """In a browser without network a diagram is drawn, and search finds a page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    if not HOOKS.MERMAID.exists():
        pytest.skip("needs Mermaid: npm ci --prefix tests/javascript")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.goto((site / "architecture.html").as_uri())
        # Material puts the drawing where scripts of the page cannot see it, in place of the source.
        page.wait_for_function("document.querySelector('pre.mermaid') === null")
        assert page.locator("div.mermaid").bounding_box()["height"] > 400
        page.fill("input[name=query]", "keep rate")
        page.wait_for_selector(".md-search-result__item")
        browser.close()
    assert said == []


def _models(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "Study", schema
    yield from schema["$defs"].items()


def test_every_key_is_described() -> None:
    for name, model in _models(SCHEMA):
        for key, field in model.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key} has no description: add one to its pydantic model"


def test_configuration_page_has_every_key() -> None:
    page = HOOKS.configuration(SCHEMA)
    for name, model in _models(SCHEMA):
        title = name.replace("PartialTraining", "Training")
        assert f"\n## {title}\n" in page
        for key in model.get("properties", {}):
            assert f"`{key}`{{ #{title.lower()}-{key} }}" in page
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= {
        name.replace("PartialTraining", "Training").lower() for name, _ in _models(SCHEMA)
    }


def test_configuration_page_says_type_default_and_place() -> None:
    schema = {
        "properties": {
            "rate": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 1,
                "default": 0.5,
                "description": "r",
            },
            "kind": {"enum": ["a", "b"], "type": "string", "description": "which one"},
            "parts": {
                "type": "array",
                "items": {"$ref": "#/$defs/Part"},
                "default": [],
                "description": "all",
            },
        },
        "required": ["kind"],
        "$defs": {"Part": {"properties": {"size": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}},
    }
    page = HOOKS.configuration(schema)
    assert ":   number (> 0, ≤ 1), default `0.5`. R.\n" in page
    assert ':   one of `"a"`, `"b"`, required. Which one.\n' in page
    assert ":   list ([Part](#part)), default `[]`. All.\n" in page
    assert "## Part\n\nValue of `parts[]`.\n" in page
    assert ":   integer or null, default" in page


def test_tables_page_has_every_column() -> None:
    from tokred.tables import schemas

    page = HOOKS.tables()
    found = [value for value in vars(schemas).values() if isinstance(value, schemas.pa.Schema)]
    assert page.count("\n## ") == len(found) >= 10
    for schema in found:
        assert "".join(f"| `{field.name}` | {HOOKS.kind_of(field.type)} |\n" for field in schema) in page


def test_links_and_sections() -> None:
    assert doctest.testmod(HOOKS).failed == 0
    assert doctest.testmod(_module("docstrings")).failed == 0
    with pytest.raises(ValueError, match="expected a section 'Adding a hat'"):
        HOOKS.section("## Adding a method\n", "Adding a hat")
    assert HOOKS.section("## A\none\n\n## B\ntwo\n", "A") == "# A\none\n\n"


def test_public_api_is_documented(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in (
        "tokred.models.reduce.reduce",
        "tokred.tables.load.load",
        "tokred.tables.load.Results.arrow",
    ):
        assert f'id="{name}"' in text
    assert "<blockquote>" not in text  # of doctests
