"""Depth maps, and chart and table of the runs' performance, in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps

from tests.explorer.conftest import Browser, go
from tests.explorer.pixels import pixels
from tests.explorer.studies import Made
from tokred.statistics.pareto import on_front
from tokred.tables import schemas

ROWS = """rows => rows.map(row => Object.fromEntries(
  [...row.cells].map(cell => [cell.dataset.column, cell.textContent])))"""


@pytest.mark.parametrize(("dataset", "backbone"), [("one", "small"), ("several", "large")])
def test_depth_maps_are_those_of_the_table(
    browser: Browser, explorer: Path, study: Made, dataset: str, backbone: str
) -> None:
    rows = schemas.read(study.inputs["depth"], schemas.DEPTH)
    rows = rows[(rows["dataset"] == dataset) & (rows["backbone"] == backbone)]
    expected = {key: group["depth"].to_numpy() for key, group in rows.groupby(["method", "keep_rate"])}
    with browser.open(explorer, f"tab=depth&dataset={dataset}&backbone={backbone}") as page:
        data = page.eval_on_selector_all("#depth figure", "all => all.map(figure => ({...figure.dataset}))")
        assert [(figure["method"], figure["rate"]) for figure in data] == [
            (method, rate) for method in ("l1", "topk", "ats", "kmedoids") for rate in ("0.40", "0.70")
        ]
        for figure in data:
            shown = np.array(figure["values"].split(","), dtype=float)
            depth = expected[figure["method"], figure["rate"]]
            np.testing.assert_allclose(shown, depth, atol=1e-3)
            selector = f"#depth figure[data-method={figure['method']}][data-rate='{figure['rate']}']"
            colors = colormaps["viridis"]((depth - 3) / 9)[:, :3] * 255
            np.testing.assert_allclose(pixels(page, selector, (4, 4))[:, :3], colors, atol=8)
        assert "No maps: ToMe, Sinkhorn." in page.inner_text("#depth-notes")
        assert page.inner_text("#depth-scale .ticks").split() == ["3", "6", "9", "12"]


def test_depth_is_shown_in_all_maps_at_once(browser: Browser, explorer: Path, study: Made) -> None:
    rows = schemas.read(study.inputs["depth"], schemas.DEPTH)
    rows = rows[(rows["dataset"] == "one") & (rows["backbone"] == "small") & (rows["token"] == 7)]
    rows = rows[rows["method"] != "none"]
    expected = rows.set_index(["method", "keep_rate"])["depth"]
    with browser.open(explorer, "tab=depth") as page:
        picture = page.locator("#depth figure[data-method=ats] .picture").first
        box = picture.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 3.5 / 4, box["y"] + box["height"] * 1.5 / 4)
        assert page.inner_text("#depth-pointed") == "Token in row 2, column 4"
        for (method, rate), depth in expected.items():
            caption = f"#depth figure[data-method={method}][data-rate='{rate}'] figcaption span"
            assert page.inner_text(caption) == f"{round(depth, 3):.2f}"
        page.mouse.move(2, 2)
        assert "–" in page.inner_text("#depth figcaption span")
        picture.focus()
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#depth-pointed") == "Token in row 2, column 3"


@pytest.fixture
def scores(study: Made) -> pd.DataFrame:
    rows = schemas.read(study.inputs["scores"], schemas.SCORES)
    base = rows[rows["method"] == "none"].set_index(["dataset", "backbone", "seed"])["score"]
    own = [base[tuple(key)] for key in rows[["dataset", "backbone", "seed"]].to_numpy()]
    return rows.assign(difference=rows["score"] - own)


def shown_rows(page: object) -> pd.DataFrame:
    return pd.DataFrame(page.eval_on_selector_all("#performance tbody tr", ROWS))


def test_table_holds_every_run(browser: Browser, explorer: Path, scores: pd.DataFrame) -> None:
    labels = {"One": "one", "Several": "several", "Small": "small", "Large": "large"}
    with browser.open(explorer, "tab=performance") as page:
        shown = shown_rows(page).replace(labels)
        assert page.inner_text("caption") == f"{len(scores)} runs of study made_up"
    assert len(shown) == len(scores) == 2 * 2 * 2 * (1 + 6 + 5)
    assert (shown["method"].iloc[:4] == ["Unreduced", "Unreduced", "ℓ₁", "ℓ₁"]).all()
    topk = shown[shown["method"] == "Top-K"]
    for row in topk.to_dict("records"):
        rate = f"{int(row['keep_rate'][:2]) / 100:.2f}"
        match = (scores["dataset"] == row["dataset"]) & (scores["backbone"] == row["backbone"])
        match &= (scores["method"] == "topk") & (scores["keep_rate"] == rate)
        (true,) = scores[match & (scores["seed"] == int(row["seed"]))].to_dict("records")
        assert row["score"] == f"{true['score']:.2f}"
        assert row["loss"] == f"{true['loss']:.3f}"
        assert float(row["difference"].replace("−", "-")) == pytest.approx(true["difference"], abs=0.006)
        assert (row["difference"][0] == "+") == (true["difference"] >= 0)
        assert row["family"] == "static pruning"
    assert set(shown[shown["method"] == "Unreduced"]["difference"]) == {"–"}


def test_sorting_by_mouse_and_keyboard(browser: Browser, explorer: Path, scores: pd.DataFrame) -> None:
    expected = [f"{score:.2f}" for score in scores["score"].sort_values()]
    with browser.open(explorer, "tab=performance") as page:
        head = page.locator("th", has=page.get_by_role("button", name="Score (%)"))
        assert head.get_attribute("aria-sort") == "none"
        page.get_by_role("button", name="Score (%)").click()
        assert head.get_attribute("aria-sort") == "descending"
        assert shown_rows(page)["score"].tolist() == expected[::-1]
        assert page.evaluate("location.hash") == "#tab=performance&sort=score&order=descending"
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert shown_rows(page)["score"].tolist() == expected
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        differences = [
            float(text.replace("−", "-")) for text in shown_rows(page)["difference"] if text != "–"
        ]
        assert differences == sorted(differences, reverse=True)
        assert shown_rows(page)["difference"].iloc[-8:].tolist() == ["–"] * 8
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("Difference")
        assert page.locator("th[aria-sort=ascending]").count() == 0


def test_text_sorts_from_a(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer, "tab=performance") as page:
        page.get_by_role("button", name="Family").click()
        families = shown_rows(page)["family"].tolist()
        assert families == sorted(families)
        page.get_by_role("button", name="Family").click()
        assert shown_rows(page)["family"].tolist() == families[::-1]


def test_filters(browser: Browser, explorer: Path, scores: pd.DataFrame) -> None:
    with browser.open(explorer, "tab=performance&sort=score&order=descending") as page:
        panel = page.locator("#performance")
        panel.get_by_label("Data set").select_option("several")
        panel.get_by_label("Backbone").select_option("large")
        panel.get_by_label("Keep rate").select_option("0.70")
        chosen = scores[(scores["dataset"] == "several") & (scores["backbone"] == "large")]
        chosen = chosen[chosen["keep_rate"] == "0.70"].sort_values("score", ascending=False)
        assert shown_rows(page)["score"].tolist() == [f"{score:.2f}" for score in chosen["score"]]
        assert page.evaluate("location.hash").startswith("#tab=performance&in=several&with=large&at=0.70")
        panel.get_by_label("Keep rate").select_option("1.00")
        assert set(shown_rows(page)["method"]) == {"Unreduced"}
        panel.get_by_label("Data set").select_option("all")
        assert set(shown_rows(page)["dataset"]) == {"One", "Several"}


@pytest.mark.slow
def test_the_chart_shows_the_filtered_runs_and_their_front(
    browser: Browser, explorer: Path, scores: pd.DataFrame, study: Made
) -> None:
    macs = schemas.read(study.inputs["macs"], schemas.MACS)
    rows = scores.merge(macs)
    rows = rows[(rows["dataset"] == "one") & (rows["backbone"] == "small")]
    cost, score = rows["total"].to_numpy(), rows["score"].to_numpy()
    with browser.open(explorer, "tab=performance&in=one&with=small") as page:
        points = page.locator("#performance-chart a")
        titles = points.locator("title").all_text_contents()
        assert len(titles) == len(rows)
        for row in rows.to_dict("records"):
            assert sum(f"{row['score']:.2f} % at {row['total'] / 1e9:.4g} GMACs" in title for title in titles)
        assert points.locator(".ring").count() == on_front(cost, score).sum()
        box = page.locator("#performance-chart svg").bounding_box()
        places = [point.bounding_box() for point in points.all()]
        assert all(box["x"] < place["x"] < box["x"] + box["width"] for place in places)
        # From left to right, points have rising costs.
        shown = [float(title.split(" at ")[1].split()[0]) for title in titles]
        middle = [place["x"] + place["width"] / 2 for place in places]
        assert np.corrcoef(shown, middle)[0, 1] > 0.999
        points.nth(3).click()
        page.wait_for_selector("#images:not([hidden])")


def test_agreement_and_cost_are_in_the_table(browser: Browser, explorer: Path, study: Made) -> None:
    agreement = schemas.read(study.inputs["agreement"], schemas.AGREEMENT)
    macs = schemas.read(study.inputs["macs"], schemas.MACS)
    with browser.open(explorer, "tab=performance&sort=agreement&order=descending") as page:
        shown = shown_rows(page)
        expected = [f"{100 * share:.2f}" for share in agreement["mean"].sort_values(ascending=False)]
        assert shown["agreement"].tolist() == expected + ["–"] * (len(shown) - len(expected))
        page.get_by_role("button", name="GMACs").click()
        assert shown_rows(page)["gmacs"].astype(float).tolist() == pytest.approx(
            (macs["total"] / 1e9).sort_values(ascending=False).tolist(), rel=1e-3
        )


def test_a_run_leads_to_its_patterns(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer, "tab=performance&in=several&with=large&at=0.70") as page:
        page.get_by_role("link", name="ToMe").first.click()
        page.wait_for_selector("#images:not([hidden])")
        go(page, page.evaluate("location.hash"))
        assert page.evaluate("document.querySelector('#images-controls select').value") == "several"
        assert page.locator("[data-method=tome] figure").count() == 1
