"""The page on screens of all sizes, for studies of all shapes, with names of all kinds, for all eyes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from tests.explorer.conftest import DESKTOP, PHONE, Browser, go, point, written
from tests.explorer.pixels import figures, methods_at, numbers, truth
from tests.explorer.studies import ALL, NASTY, Made, make, view
from tokred.explorer.build import build

VIEWS = ("stage=1", "stage=all&rate=0.70", "tab=depth", "tab=performance&sort=score")
#: Boxes of all visible texts, clipped to scrolling boxes.
TEXTS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest("script, noscript, option, .unseen")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const frame = parent.closest(".strip, .scroll")?.getBoundingClientRect();
    for (const box of range.getClientRects()) {
      if (box.width < 1 || (frame && (box.right > frame.right || box.left < frame.left))) continue;
      found.push([node.data.trim(), box.left, box.top, box.right, box.bottom]);
    }
  }
  return found;
}"""
#: Texts with less contrast to their ground than WCAG AA asks for.
FAINT = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts(color).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((parts(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  let seen = 0;
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !parent.getClientRects().length) continue;
    const [a, b] = [light(getComputedStyle(parent).color), light(ground(parent))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen += 1;
    if (contrast < 4.5) found.push([walker.currentNode.data.trim(), contrast]);
  }
  return [seen, found];
}"""


def check_layout(page: object) -> None:
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], "the page scrolls sideways"
    texts = page.evaluate(TEXTS)
    assert len(texts) > 10
    texts.sort(key=lambda text: text[2])
    for index, (text, left, top, right, bottom) in enumerate(texts):
        assert left >= -1, f"{text!r} leaves the page"
        assert right <= width[1] + 1, f"{text!r} leaves the page"
        for other, other_left, other_top, other_right, other_bottom in texts[index + 1 :]:
            if other_top >= bottom:
                break
            across = min(right, other_right) - max(left, other_left)
            down = min(bottom, other_bottom) - max(top, other_top)
            assert min(across, down) < 3, f"{text!r} overlaps {other!r}"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of all methods, with long names."""
    labels = {"one": "A data set with a rather long name", "several": "Several"}
    shape = view(datasets=labels, methods=ALL, keep_rates=("0.40", "0.505", "0.70", "0.90"), seeds=(0, 1, 2))
    classes = (
        "tench, Tinca tinca",
        "great white shark, white shark, man-eater",
        "Donaudampfschifffahrtsgesellschaft",
    )
    return written(make(tmp_path_factory.mktemp("full"), shape, images=8, classes=classes))


@pytest.mark.parametrize("size", [DESKTOP, PHONE, (320, 640), (768, 1024), (1920, 1080)])
@pytest.mark.parametrize("address", VIEWS)
def test_texts_neither_overlap_nor_leave_the_page(
    browser: Browser, full: Path, size: tuple[int, int], address: str
) -> None:
    with browser.open(full, address, size=size) as page:
        check_layout(page)
        if not address.startswith("tab"):
            point(page, "kmedoids", 5)
            check_layout(page)
            assert all(figure["lit"] for figure in figures(page))


def test_one_column_on_a_phone(browser: Browser, full: Path) -> None:
    with browser.open(full, "rate=0.70", size=PHONE) as page:
        lefts = page.eval_on_selector_all(
            ".card", "cards => cards.map(card => card.getBoundingClientRect().left)"
        )
    assert len(lefts) == len(ALL) + 1
    assert len(set(lefts)) == 1


@pytest.mark.parametrize("address", VIEWS)
def test_contrast(browser: Browser, explorer: Path, address: str) -> None:
    with browser.open(explorer, address) as page:
        seen, faint = page.evaluate(FAINT)
    assert seen > 30
    assert faint == []


def test_no_motion_where_none_is_wanted(browser: Browser, explorer: Path) -> None:
    longest = "all => Math.max(...all.map(e => parseFloat(getComputedStyle(e).transitionDuration)))"
    with browser.open(explorer, reduced_motion="reduce") as page:
        assert page.eval_on_selector_all("*", longest) == 0
    with browser.open(explorer, reduced_motion="no-preference") as page:
        assert page.eval_on_selector_all("*", longest) > 0


def test_focus_can_be_seen(browser: Browser, explorer: Path) -> None:
    outline = """() => {
      const at = document.activeElement, ring = at.type === "radio" ? at.nextElementSibling : at;
      return at === document.body ? null : parseFloat(getComputedStyle(ring).outlineWidth);
    }"""
    with browser.open(explorer) as page:
        seen = []
        for _ in range(12):
            page.keyboard.press("Tab")
            seen.append(page.evaluate(outline))
    assert set(seen) == {3}


SHAPES = {
    "smallest": view(
        datasets={"one": "One"},
        backbones={"b": "B"},
        methods=("topk",),
        keep_rates=("0.50",),
        locations=(4,),
        grid=(2, 2),
    ),
    "oblong": view(grid=(3, 7), keep_rates=("0.70",)),
    "upright": view(grid=(8, 2), keep_rates=("0.70",), seeds=(5,)),
    "many tokens": view(datasets={"several": "S"}, backbones={"b": "B"}, grid=(16, 17)),
    "soft alone": view(methods=("sit", "patchmerger"), keep_rates=("0.50",)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_studies_of_all_shapes(browser: Browser, tmp_path: Path, shape: str) -> None:
    made = make(tmp_path, SHAPES[shape], images=3, size=4)
    (dataset, *_), rate = made.view.datasets, made.view.keep_rates[-1]
    (backbone, *_), stages = made.view.backbones, len(made.view.locations)
    page_file = written(made)
    with browser.open(
        page_file, f"rate={rate}&stage={'all' if stages > 1 else 1}&image={dataset}-002"
    ) as page:
        check_layout(page)
        shown = figures(page)
        methods = methods_at(made, rate)
        assert [figure["method"] for figure in shown] == [name for name in methods for _ in range(stages)]
        for figure in shown:
            true = truth(made, dataset, backbone, figure["method"], rate, f"{dataset}-002")
            assert numbers(figure["kept"]) == true.kept(int(figure["stage"]))
        rows, columns = made.view.grid
        box = page.locator(".picture").first.bounding_box()
        assert box["width"] / box["height"] == pytest.approx(columns / rows, rel=0.05)
        for tab in ("depth", "performance"):
            go(page, f"tab={tab}")
            check_layout(page)
            assert page.locator(f"#{tab}").is_visible()


def test_names_are_only_ever_text(browser: Browser, tmp_path: Path) -> None:
    labels = {"one": NASTY[0], "several": '<img src=x onerror="window.hacked=1">'}
    backbones = {"small": "<b>bold</b>"}
    made = make(
        tmp_path, view(study="<i>study", datasets=labels, backbones=backbones), images=6, classes=NASTY
    )
    path = renamed(made)
    with browser.open(path, "rate=0.70") as page:
        assert page.inner_text("h1") == "Token reduction explorer <i>study"
        assert page.inner_text("#images-controls select option") == NASTY[0]
        assert NASTY[0] in page.inner_text(".card[data-method=none] .verdict") + page.inner_text(
            ".chooser legend"
        )
        for address in ("dataset=several", "tab=depth", "tab=performance"):
            go(page, address)
        assert "<b>bold</b>" in page.inner_text("#performance tbody")
        assert page.evaluate("window.hacked") is None
        assert page.locator("main b, main i:not(.legend i)").count() == page.locator("figcaption b").count()


def renamed(made: Made) -> Path:
    """The page with image ids that would break out of attributes and elements."""
    build(asdict(made.view), {}, made.inputs, {"page": str(made.folder / "page.html")})
    text = (made.folder / "page.html").read_text()
    changed = text.replace(
        '"id":"one-000"', '"id":"\\u003cscript\\u003ewindow.hacked=1\\u003c/script\\u003e\\" x=\'"'
    )
    assert changed != text
    (made.folder / "page.html").write_text(changed)
    return made.folder / "page.html"
