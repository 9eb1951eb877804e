"""Controls: by mouse, by keyboard and by address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.explorer.conftest import Browser, go, settle
from tests.explorer.pixels import figures, numbers, truth
from tests.explorer.studies import Made

CHOSEN = """() => ({
  tab: document.querySelector("[role=tab][aria-selected=true]").id,
  panels: [...document.querySelectorAll("[role=tabpanel]")].filter(p => !p.hidden).map(p => p.id),
  dataset: document.querySelector("#images-controls select").value,
  rate: document.querySelector("input[name=rate]:checked").value,
  stage: document.querySelector("input[name=stage]:checked").value,
  image: document.querySelector("input[name=image]:checked").value,
  address: location.hash,
})"""


def test_loads_by_itself(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer) as page:
        assert page.title() == "Token reduction explorer: made_up"
        assert "2 data sets" in page.inner_text("#facts")
        assert "4\u202f×\u202f4 tokens" in page.inner_text("#facts")
        assert "seed 0 of 0, 1" in page.inner_text("#facts")
        assert page.locator(".card").count() == 7
        expected = {"tab": "tab-images", "panels": ["images"], "dataset": "one", "rate": "0.40"}
        assert page.evaluate(CHOSEN) == expected | {"stage": "1", "image": "one-000", "address": ""}


def test_each_control_changes_what_is_shown(browser: Browser, explorer: Path, study: Made) -> None:
    with browser.open(explorer) as page:
        page.get_by_label("Data set").first.select_option("several")
        page.locator("#images").get_by_label("Backbone").select_option("large")
        page.locator("#images").get_by_text("70\u202f%").click()
        page.locator("#images").get_by_text("3", exact=True).click()
        settle(page)
        chosen = page.evaluate(CHOSEN)
        assert (chosen["dataset"], chosen["rate"], chosen["stage"]) == ("several", "0.70", "3")
        assert chosen["address"] == "#dataset=several&backbone=large&rate=0.70&stage=3"
        for step in (1, 2):
            page.get_by_label("Next image").click()
            settle(page)
            assert page.inner_text(".chooser legend").startswith(f"Image {step + 1} of 12")
        before = page.evaluate(CHOSEN)["image"]
        true = truth(study, "several", "large", "topk", "0.70", before)
        assert numbers(figures(page)[2]["kept"]) == true.kept(3)
        page.get_by_label("Previous image").click()
        assert page.evaluate(CHOSEN)["image"] != before
        page.locator(".strip img").nth(9).click()
        settle(page)
        assert page.inner_text(".chooser legend").startswith("Image 10 of 12")


def test_images_wrap_around(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer) as page:
        page.get_by_label("Previous image").click()
        settle(page)
        assert page.inner_text(".chooser legend").startswith("Image 12 of 12")
        assert page.evaluate("document.activeElement.ariaLabel") == "Previous image"
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        settle(page)
        assert page.inner_text(".chooser legend").startswith("Image 1 of 12")


@pytest.mark.parametrize("image", ["one-000", "one-005", "one-009", "one-011"])
def test_the_chosen_thumbnail_is_visible(browser: Browser, explorer: Path, image: str) -> None:
    with browser.open(explorer, f"image={image}", size=(375, 740)) as page:
        strip = page.locator(".strip").bounding_box()
        chosen = page.locator(".strip input:checked + img").bounding_box()
        assert page.evaluate("document.querySelector('.strip').scrollWidth") > 1.5 * strip["width"]
        assert strip["x"] <= chosen["x"]
        assert chosen["x"] + chosen["width"] <= strip["x"] + strip["width"]


def test_address_holds_the_view(browser: Browser, explorer: Path) -> None:
    address = "dataset=several&backbone=large&rate=0.70&stage=all&image=several-004"
    with browser.open(explorer, address) as page:
        chosen = page.evaluate(CHOSEN)
        assert chosen["address"] == f"#{address}"
        assert (chosen["dataset"], chosen["stage"], chosen["image"]) == ("several", "all", "several-004")
        go(page, "tab=depth&dataset=one")
        assert page.evaluate(CHOSEN)["panels"] == ["depth"]
        page.go_back()
        page.wait_for_selector("#images:not([hidden])")
        settle(page)
        assert page.evaluate(CHOSEN) == chosen


@pytest.mark.parametrize("address", ["dataset=none&rate=7&stage=9&image=x&tab=y&sort=z", "%E0%A4%A", "=&&=#"])
def test_invalid_addresses_show_the_first_view(browser: Browser, explorer: Path, address: str) -> None:
    with browser.open(explorer, address) as page:
        chosen = page.evaluate(CHOSEN)
        assert (chosen["tab"], chosen["dataset"], chosen["rate"]) == ("tab-images", "one", "0.40")
        assert chosen["image"] == "one-000"


def test_tabs_by_keyboard(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "tab-images"
        for key, expected in (
            ("ArrowRight", "depth"),
            ("ArrowRight", "performance"),
            ("ArrowRight", "images"),
            ("End", "performance"),
            ("Home", "images"),
            ("ArrowLeft", "performance"),
        ):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.id") == f"tab-{expected}"
            assert page.evaluate(CHOSEN)["panels"] == [expected]
        assert page.eval_on_selector_all("[role=tab]", "tabs => tabs.map(tab => tab.tabIndex)") == [-1, -1, 0]


def test_everything_by_keyboard(browser: Browser, explorer: Path, study: Made) -> None:
    with browser.open(explorer) as page:
        steps = ["Tab"] * 4 + ["ArrowRight", "Tab", "ArrowRight", "ArrowRight", "Tab", "Tab", "ArrowRight"]
        for key in steps:
            page.keyboard.press(key)
            settle(page)
        chosen = page.evaluate(CHOSEN)
        assert (chosen["rate"], chosen["stage"]) == ("0.70", "3")
        assert page.inner_text(".chooser legend").startswith("Image 2 of 12")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")  # the first picture
        assert page.evaluate("document.activeElement.className") == "picture"
        for _ in range(5):
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('figure').dataset.method") == "kmedoids"
        for key in ("Home", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowDown"):
            page.keyboard.press(key)
        shown = figures(page)
        for figure in shown:
            true = truth(study, "one", "small", figure["method"], "0.70", chosen["image"])
            assert numbers(figure["lit"]) == true.lit(3, 5)
        caption = next(figure["caption"] for figure in shown if figure["method"] == "kmedoids")
        assert page.inner_text("#spoken") == f"row 2, column 2: {caption}"
        assert page.inner_text("#pointed") == "Token in row 2, column 2"
        page.keyboard.press("Escape")
        assert {figure["lit"] for figure in figures(page)} == {""}


def test_arrow_keys_stay_on_the_grid(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer) as page:
        page.locator(".picture").first.focus()
        for key, token in (
            ("ArrowDown", 14), ("ArrowDown", 14), ("End", 15), ("ArrowRight", 15), ("Home", 12),
            ("ArrowLeft", 12), ("ArrowUp", 8), ("ArrowUp", 4), ("ArrowUp", 0), ("ArrowUp", 0),
        ):  # fmt: skip
            page.keyboard.press(key)
            assert numbers(figures(page)[0]["lit"]) == [token]


def test_touch_follows_a_token(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer, size=(375, 740), has_touch=True, is_mobile=True) as page:
        box = page.locator("[data-method=topk] .picture").first
        box.tap(position={"x": 5, "y": 5})
        assert numbers(figures(page)[2]["lit"]) == [0]
        page.locator("h1").tap()
        assert numbers(figures(page)[2]["lit"]) == []
