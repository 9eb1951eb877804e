"""The first view in a browser: it shows the patterns of the tables, and highlights the right tokens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.explorer.conftest import Browser, go, point, settle
from tests.explorer.pixels import figures, methods_at, numbers, pixels, token_colors, truth
from tests.explorer.studies import Made
from tokred.data.image_table import ImageTable
from tokred.run import Run
from tokred.tables import patterns, schemas

VEIL = 0.78
TINT = 0.55


def address(**state: str) -> str:
    return "&".join(f"{key}={value}" for key, value in state.items())


def expected_tint(seen: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Color of the tint over tokens of known colors."""
    return (seen - (1 - TINT) * own) / TINT


@pytest.mark.parametrize("dataset", ["one", "several"])
@pytest.mark.parametrize("backbone", ["small", "large"])
def test_patterns_are_those_of_the_tables(
    browser: Browser, explorer: Path, study: Made, dataset: str, backbone: str
) -> None:
    compared = 0
    with browser.open(explorer) as page:
        for image in (f"{dataset}-000", f"{dataset}-007", f"{dataset}-011"):
            for rate in study.view.keep_rates:
                for stage in ("1", "3", "all"):
                    go(page, address(dataset=dataset, backbone=backbone, rate=rate, image=image, stage=stage))
                    shown = figures(page)
                    stages = [1, 2, 3] if stage == "all" else [int(stage)]
                    pictures = [(m, str(s)) for m in methods_at(study, rate) for s in stages]
                    assert [(f["method"], f["stage"]) for f in shown] == pictures
                    for figure in shown:
                        true = truth(study, dataset, backbone, figure["method"], rate, image)
                        compare(figure, true, int(figure["stage"]))
                        compared += 1
    assert compared == 3 * 5 * (6 + 7)


def compare(figure: dict[str, str], true: object, stage: int) -> None:
    assert numbers(figure["kept"]) == true.kept(stage)
    assert ("clusters" in figure) == (true.clusters is not None)
    if true.clusters is None:
        assert f"{len(true.kept(stage))} " in figure["caption"]
    else:
        assert numbers(figure["clusters"]) == true.clusters[stage - 1].tolist()
        assert figure["caption"].startswith(f"{len(set(true.clusters[stage - 1].tolist()))} ")
        assert ("centers" in figure) == (true.survived is not None)
        if true.survived is not None:
            assert numbers(figure["centers"]) == true.centers(stage)


@pytest.mark.parametrize("method", ["l1", "topk", "ats", "none"])
def test_dropped_tokens_are_veiled_and_kept_ones_are_not(
    browser: Browser, explorer: Path, study: Made, method: str
) -> None:
    with browser.open(explorer, address(rate="0.70", stage="2", image="one-004")) as page:
        seen = pixels(page, f"[data-method={method}] figure", (4, 4))[:, :3]
    own = token_colors(study, "one", "one-004")
    kept = truth(study, "one", "small", method, "0.70", "one-004").kept(2)
    gone = sorted(set(range(16)) - set(kept))
    np.testing.assert_array_equal(seen[kept], own[kept])
    np.testing.assert_allclose(seen[gone], VEIL * 255 + (1 - VEIL) * own[gone], atol=2)


@pytest.mark.parametrize("method", ["tome", "kmedoids", "sinkhorn"])
def test_clusters_have_one_color_and_keep_it(
    browser: Browser, explorer: Path, study: Made, method: str
) -> None:
    own = token_colors(study, "one", "one-003")
    true = truth(study, "one", "small", method, "0.70", "one-003")
    tints = []
    with browser.open(explorer, address(rate="0.70", stage="all", image="one-003")) as page:
        for stage in (1, 2, 3):
            figure = f"[data-method={method}] figure[data-stage='{stage}']"
            seen = pixels(page, figure, (4, 4))[:, :3]
            tints.append(expected_tint(seen, own))
            for cluster in np.unique(true.clusters[stage - 1]):
                tokens = np.flatnonzero(true.clusters[stage - 1] == cluster)
                if len(tokens) == 1:
                    np.testing.assert_array_equal(seen[tokens], own[tokens])
                else:
                    assert np.ptp(tints[-1][tokens], axis=0).max() <= 5
    for stage in (0, 1):
        for cluster in np.unique(true.clusters[stage + 1]):
            inside = true.clusters[stage + 1] == cluster
            parts, sizes = np.unique(true.clusters[stage][inside], return_counts=True)
            if sizes.max() > 1:
                largest = np.flatnonzero(true.clusters[stage] == parts[sizes.argmax()])
                np.testing.assert_allclose(tints[stage][largest], tints[stage + 1][largest], atol=5)


def test_neighboring_clusters_differ(browser: Browser, explorer: Path, study: Made) -> None:
    own = token_colors(study, "one", "one-000")
    assigned = truth(study, "one", "small", "tome", "0.70", "one-000").clusters[2].reshape(4, 4)
    with browser.open(explorer, address(rate="0.70", stage="3", image="one-000")) as page:
        tint = expected_tint(pixels(page, "[data-method=tome] figure", (4, 4))[:, :3], own).reshape(4, 4, 3)
    several = np.isin(assigned, [c for c in np.unique(assigned) if (assigned == c).sum() > 1])
    pairs = 0
    for one, other in (
        ((slice(None), slice(0, 3)), (slice(None), slice(1, 4))),
        ((slice(0, 3),), (slice(1, 4),)),
    ):
        border = (assigned[one] != assigned[other]) & several[one] & several[other]
        pairs += border.sum()
        assert (np.abs(tint[one] - tint[other]).max(axis=-1)[border] > 30).all()
    assert pairs > 0


@pytest.mark.parametrize("stage", ["2", "all"])
def test_pointing_lights_the_cluster_in_every_method(
    browser: Browser, explorer: Path, study: Made, stage: str
) -> None:
    with browser.open(explorer, address(rate="0.70", stage=stage, image="one-005")) as page:
        for method, token in (("topk", 5), ("tome", 0), ("kmedoids", 15), ("none", 6)):
            point(page, method, token)
            shown = figures(page)
            assert len(shown) == 7 * (3 if stage == "all" else 1)
            for figure in shown:
                true = truth(study, "one", "small", figure["method"], "0.70", "one-005")
                assert numbers(figure["lit"]) == true.lit(int(figure["stage"]), token)
                check_fate(figure, true, token, whole=stage != "all")
            row, column = divmod(token, 4)
            assert page.inner_text("#pointed") == f"Token in row {row + 1}, column {column + 1}"
        page.mouse.move(2, 2)
        assert {figure["lit"] for figure in figures(page)} == {""}
        assert "Point at a token" in page.inner_text("#pointed")


def check_fate(figure: dict[str, str], true: object, token: int, *, whole: bool) -> None:
    stage = int(figure["stage"])
    if true.clusters is not None:
        size = len(true.lit(stage, token))
        center = ", center" if true.survived is not None and true.survived[token] >= stage else ""
        tokens = f"{size} token{'s' if size > 1 else ''}{center}"
        kind = "region" if figure["method"] == "sinkhorn" else "cluster"
        number = true.clusters[stage - 1][token] + 1
        assert figure["caption"] == (f"{kind} {number}: {tokens}" if whole else tokens)
    elif figure["method"] == "none":
        assert figure["caption"] == "kept"
    elif not whole:
        assert figure["caption"] == ("kept" if token in true.kept(stage) else "dropped")
    else:
        fates = ["dropped in stage 1", "kept until stage 1", "kept until stage 2", "kept to the end"]
        assert figure["caption"] == fates[true.survived[token]]


def test_other_tokens_are_shaded(browser: Browser, explorer: Path, study: Made) -> None:
    with browser.open(explorer, address(rate="0.70", stage="3", image="one-005")) as page:
        point(page, "topk", 9)
        light = {
            m: pixels(page, f"[data-method={m}] figure", (4, 4), layer=1)[:, 3] for m in ("tome", "topk")
        }
    lit = truth(study, "one", "small", "tome", "0.70", "one-005").lit(3, 9)
    assert (light["tome"] == 0).nonzero()[0].tolist() == lit
    assert (light["topk"] == 0).all()


@pytest.mark.parametrize("image", ["one-003", "one-008", "several-002", "several-003"])
def test_score_and_verdict(browser: Browser, explorer: Path, study: Made, image: str) -> None:
    dataset, _, number = image.partition("-")
    labels = ImageTable(study.folder / f"datasets/{dataset}/test.parquet").labels[int(number)]
    label = [int(labels)] if dataset == "one" else np.flatnonzero(labels).tolist()
    with browser.open(explorer, address(dataset=dataset, image=image, rate="0.70", backbone="large")) as page:
        for method in methods_at(study, "0.70"):
            run = Run(dataset, "large", method, "1.00" if method == "none" else "0.70", 0)
            card = page.locator(f".card[data-method={method}]")
            score = schemas.read(study.path("scores", run), schemas.SCORES)["score"][0]
            assert card.locator(".score").inner_text() == f"{score:.2f}\u202f%"
            assert card.locator(".kind span").inner_text() == ("top-1" if dataset == "one" else "mAP")
            logits = np.array(pq.read_table(study.path("predictions", run))["logits"][int(number)].as_py())
            predicted = [int(logits.argmax())] if dataset == "one" else np.flatnonzero(logits > 0).tolist()
            prediction, true = (
                ", ".join(f"class {c}" for c in classes) or "none" for classes in (predicted, label)
            )
            right = predicted == label
            text = f"✓ correct: {true}" if right else f"✗ wrong: {prediction} instead of {true}"
            assert card.locator(".verdict").inner_text() == text
            assert card.locator(".verdict").get_attribute("data-right") == str(right).lower()


def test_a_method_without_the_keep_rate_has_a_notice(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer, address(rate="0.40")) as page:
        assert (
            page.inner_text(".card[data-method=tome] .absent")
            == "No run at 40\u202f%: it keeps at least 50\u202f%."
        )


def test_soft_merging_is_explained(browser: Browser, explorer: Path, study: Made) -> None:
    with browser.open(explorer, address(rate="0.70", stage="2", image="one-005")) as page:
        assert "regions, see notes" in page.inner_text(".card[data-method=sinkhorn] figcaption")
        notes = page.inner_text("#images-notes")
    stored = patterns.read(study.path("patterns", Run("one", "small", "sinkhorn", "0.70", 0)))
    margin = stored.margin[stored.image_ids.tolist().index("one-005")][1]
    assert "Soft merging (Sinkhorn): every output token is a weighted mean of all tokens" in notes
    (shown,) = re.findall(r"Sinkhorn ([0-9.]+)\.", notes)
    assert float(shown) == pytest.approx(margin, abs=1e-6)
    assert "seed 0, the first of 0, 1" in notes
    assert "ATS: the number of kept tokens varies" in notes


def test_another_size_draws_again_and_keeps_the_light(browser: Browser, explorer: Path) -> None:
    with browser.open(explorer, address(rate="0.70", stage="2")) as page:
        before = page.eval_on_selector("figure canvas", "canvas => canvas.width")
        page.locator("[data-method=topk] .picture").focus()
        page.keyboard.press("ArrowUp")
        page.set_viewport_size({"width": 700, "height": 700})
        settle(page)
        assert page.eval_on_selector("figure canvas", "c => c.width === Math.round(c.clientWidth)")
        assert page.eval_on_selector("figure canvas", "canvas => canvas.width") != before
        assert numbers(figures(page)[2]["lit"]) == [6]
        assert (pixels(page, "[data-method=topk] figure", (4, 4))[:, 3] == 255).all()
