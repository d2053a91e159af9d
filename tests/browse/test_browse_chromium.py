"""A walk through the page in a real browser, and what axe-core says of it."""

from __future__ import annotations

import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import listening

import med_mat
from med_mat.browse.builder import Builder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(__file__).parent / "axe" / "axe.min.js"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(hostile, tmp_path_factory.mktemp("scratch")) as address:
        yield address


class Visit:
    """A page of the browser that remembers what it should not have met."""

    def __init__(self, browser: Any, address: str, width: int, theme: str) -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.page, self.width, self.faults = context.new_page(), width, []
        self.page.on("console", lambda said: self.faults.append(said.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda one: one.url.startswith((address, "blob:")) or self.faults.append(one.url))

    def check(self) -> None:
        """Nothing is cut off, no script of a label ran, nobody else was asked, and axe-core finds nothing serious."""
        page = self.page
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= self.width, "it scrolls sideways"
        cut = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('svg, pre')"
            " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 100))"
        )
        assert not cut
        assert page.evaluate("window.stolen") is None, "a label was run as a script"
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run().then(found => found.violations)")
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not serious, [(one["id"], one["nodes"][0]["html"]) for one in serious]
        assert not self.faults


def _until(page: Any, expression: str) -> None:
    """Wait until a script says so; Playwright's own way to wait is eval, which the page forbids."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it never came to be: {expression}")


def _record(hostile: Path, selector: str, **fields: Any) -> str:
    mat = med_mat.open(hostile)
    (one,) = mat.read(mat.where(selector, **fields)[:1], columns=("id",))
    return "/record?" + urllib.parse.urlencode({"id": one["id"]})


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (390, "dark"), (1400, "dark"), (390, "light")])
def test_every_page_can_be_read(browser: Any, address: str, hostile: Path, width: int, theme: str) -> None:
    visit = Visit(browser, address, width, theme)
    for path in (
        "/",
        "/?modality=US&q=CT/Lungs/*",
        "/statistics?label=script",
        _record(hostile, "US/*/*", annotation="masks"),
        _record(hostile, "*", annotation="boxes"),
        "/split",
        "/split?target=CT/Lung/Cancer",
        "/duplicates",
    ):
        visit.page.goto(address + path)
        visit.check()
    dark = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (theme == "light")
    place = visit.page.evaluate("document.body.getBoundingClientRect().toJSON()")
    left, right = place["left"], visit.page.evaluate("document.documentElement.clientWidth") - place["right"]
    assert abs(left - right) <= 1, "the page is not centered"


def test_a_walk_by_keyboard_and_mouse(browser: Any, address: str) -> None:
    visit = Visit(browser, address, 1400, "light")
    page = visit.page
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("table.grid td a", has_text="Breast").first.click()
    page.wait_for_url("**/?modality=US&area=Breast")
    assert page.locator("td a[aria-current]").count() == 1
    assert page.locator("table.grid td a").count() > 1, "the other cells can still be chosen"
    page.get_by_label("Split").select_option("train")
    page.wait_for_url("**split=train**")
    assert "area=Breast" in page.url
    page.locator(".gallery a").first.click()
    page.wait_for_selector("#viewer[data-open]")
    first = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != first)
    page.get_by_role("link", name="Previous").click()
    page.wait_for_url(first)
    page.get_by_role("link", name="Record 1 of").click()
    page.get_by_role("link", name="Clear").click()
    page.wait_for_url(f"{address}/")
    assert not visit.faults


def test_the_large_image(browser: Any, address: str, hostile: Path) -> None:
    visit = Visit(browser, address, 1400, "light")
    page = visit.page
    page.goto(address + _record(hostile, "*", annotation="masks", source="busi"))
    page.wait_for_selector("#viewer[data-open] #marks")
    stage, overlay = (page.locator(one).bounding_box() for one in ("#viewer", "#overlay"))
    assert stage["width"] > 700
    assert overlay["width"] > 500 or overlay["height"] > 500
    box, mask = page.locator("#marks rect.box").first, page.locator("#marks image.mask").first
    assert box.is_visible()
    assert mask.is_visible()
    page.get_by_label("Masks", exact=True).uncheck()
    assert not mask.is_visible()
    assert box.is_visible()
    page.get_by_label("Masks", exact=True).check()
    page.locator(".legend input").first.uncheck()
    assert not box.is_visible()
    assert not mask.is_visible()
    page.get_by_role("button", name="Zoom in").click()
    width = "document.querySelector('#overlay').getBoundingClientRect().width"
    _until(page, f"{width} > {overlay['width'] * 1.3}")
    page.get_by_role("button", name="Whole image").click()
    _until(page, f"{width} < {overlay['width'] * 1.1}")
    assert not visit.faults


def test_the_split_follows_its_form(browser: Any, address: str) -> None:
    visit = Visit(browser, address, 1400, "light")
    page = visit.page
    page.goto(f"{address}/split")
    page.locator("[name=target]").fill("CT/Lung/Cancer")
    page.get_by_text("The audit holds.").wait_for(timeout=60_000)
    assert "target=CT%2FLung%2FCancer" in page.url, "the address is that of the split"
    before = page.locator("#audit").inner_text()
    page.get_by_label("Experiment").select_option("limited")
    page.get_by_label("Target records in train").fill("0")
    _until(page, "document.querySelector('#python')?.innerText.includes(\"'limited'\")")
    page.get_by_label("Experiment").select_option("related")
    page.locator("[name=size]").fill("1")
    page.get_by_text("The audit finds a violation").wait_for(timeout=60_000)
    assert not page.get_by_label("Target records in train").is_visible()
    page.locator("[name=size]").fill("")
    page.get_by_text("The audit holds.").wait_for(timeout=60_000)
    _until(page, "document.querySelector('#made').ariaBusy == 'false'")
    assert page.locator("#audit").inner_text() == before
    made = page.url
    page.goto(made)
    assert page.locator("#audit").inner_text() == before, "the address shows the same view"
    assert not visit.faults


def test_an_answer_to_an_older_form_is_marked(browser: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    held, make = threading.Event(), Builder.make

    def slowly(self: Builder, query: Any) -> Any:
        if query.get("seed") == "1":
            held.wait(30)
        return make(self, query)

    monkeypatch.setattr(Builder, "make", slowly)
    visit = Visit(browser, address, 1400, "light")
    page = visit.page
    page.goto(f"{address}/split?target=CT/Lung/Cancer")
    with page.expect_request("**seed=1**"):
        page.get_by_label("Random seed").fill("1")
    page.get_by_label("Random seed").fill("2")
    page.wait_for_timeout(600)  # longer than the pause after which it asks again
    assert page.locator("#made").get_attribute("aria-busy") == "true"
    held.set()
    _until(page, "document.querySelector('#audit')?.innerText.includes('seed: 2')")
    _until(page, "document.querySelector('#made').ariaBusy == 'false'")
    assert not visit.faults
