"""A browser for the tests that look at the page, and a made-up study's page to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.explorer.studies import Made, make, view
from tokred.explorer.build import build

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
DESKTOP, PHONE = (1280, 900), (375, 740)


class Browser:
    """Opens pages from disk; a page that logs, fails or asks for anything but itself fails its test."""

    def __init__(self, chromium: object) -> None:
        self._chromium = chromium

    @contextmanager
    def open(
        self, path: Path, address: str = "", size: tuple[int, int] = DESKTOP, **options: object
    ) -> Iterator:
        context = self._chromium.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        page, trouble, requests = context.new_page(), [], []
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        context.on("request", lambda request: requests.append(request.url))
        page.goto(f"{path.as_uri()}#{address}")
        settle(page)
        try:
            yield page
        finally:
            context.close()
        assert trouble == []
        others = {url.partition("#")[0] for url in requests if not url.startswith("data:")}
        assert others == {path.as_uri()}


def settle(page: object) -> None:
    """Wait until the chosen view is drawn."""
    page.wait_for_selector("#images[hidden], #cards[aria-busy=false]", state="attached")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def go(page: object, address: str) -> None:
    """Follow a link into the same page."""
    page.evaluate("address => { location.hash = address; }", address)
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    settle(page)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install -e .[test]"
    )
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield Browser(chromium)
        chromium.close()


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two data sets, two backbones, six methods, two keep rates, two seeds."""
    return make(tmp_path_factory.mktemp("study"), view(seeds=(0, 1)), images=12)


@pytest.fixture(scope="package")
def explorer(study: Made) -> Path:
    return written(study)


def written(made: Made) -> Path:
    """The page of a study."""
    build(asdict(made.view), {}, made.inputs, {"page": str(made.folder / "explorer.html")})
    return made.folder / "explorer.html"


def point(page: object, method: str, token: int, grid: tuple[int, int] = (4, 4)) -> None:
    """Move the mouse to a token of a method's first picture."""
    picture = page.locator(f"[data-method={method}] .picture").first
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    row, column = divmod(token, grid[1])
    page.mouse.move(
        box["x"] + box["width"] * (column + 0.5) / grid[1], box["y"] + box["height"] * (row + 0.5) / grid[0]
    )
