"""Many photos are chosen in the browser: with mouse, keyboard and finger, with and without scripts."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.engine.libraries import PHOTO_COUNT
from tests.waiting import wait_until
from tests.web.applications import hits, opened, served
from tests.web.test_browser import CHROMIUM, PHONE, RULES, chromium, search, tab

__all__ = ["chromium"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, photos: Path, weights: Path) -> Iterator[str]:
    from tests.engine.libraries import index

    library = tmp_path_factory.mktemp("selecting")
    index(library, photos, weights)
    with opened(library, weights) as app:
        hits(app.test_client())  # the first search loads the network
        with served(app) as address:
            yield address


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with tab(chromium, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        yield page


def results(page: Page) -> None:
    """Search, and wait until the script is there."""
    search(page)
    expect(page.locator("[data-does=paths]")).to_have_text("Copy paths")


def box(page: Page, place: int) -> None:
    page.locator(".reranked .photos li").nth(place).hover()
    page.locator(".reranked .pick").nth(place).click()


def test_a_range_is_chosen_with_shift_and_downloaded(page: Page) -> None:
    results(page)
    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).to_be_hidden()
    box(page, 1)
    expect(bar).to_contain_text("1 selected")
    page.locator(".photos a").nth(4).click(modifiers=["Shift"])
    expect(bar).to_contain_text("4 selected")
    page.locator(".photos a").nth(2).click()
    expect(bar).to_contain_text("3 selected")
    with page.expect_download() as download:
        bar.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert len(archive.namelist()) == 3
    assert "q=a" in page.url, "no photo was opened"
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()
    page.locator(".photos a").nth(2).click()
    page.wait_for_url("**/photos/**")


def test_photos_are_chosen_with_the_keyboard_tagged_and_untagged(page: Page) -> None:
    results(page)
    photos = page.locator(".photos a")
    photos.nth(0).focus()
    page.keyboard.press("x")
    photos.nth(2).focus()
    page.keyboard.press("Shift+X")
    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).to_contain_text("3 selected")
    tag = bar.get_by_role("textbox", name="Tag for the selected photos")
    tag.fill("holiday")
    tag.press("Enter")
    expect(bar.get_by_role("status")).to_have_text("3 photos are tagged holiday now")
    page.request.get("/")
    assert len(page.request.get("/api/v1/search?q=tag:holiday").json()["hits"]) == 3
    bar.get_by_role("button", name="Undo").click()
    expect(bar.get_by_role("status")).to_have_text("Undone")
    assert page.request.get("/api/v1/search?q=tag:holiday").json()["hits"] == []
    photos.nth(0).focus()
    page.keyboard.press("Control+a")
    expect(bar).to_contain_text(f"{PHOTO_COUNT} selected")
    bar.get_by_role("button", name="Copy paths").click()
    expect(bar.get_by_role("status")).to_have_text(f"{PHOTO_COUNT} paths are in the clipboard")
    assert page.evaluate("navigator.clipboard.readText()").count(".jpg") == PHOTO_COUNT
    photos.nth(0).focus()
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()


def test_a_long_press_chooses_on_a_phone(chromium: Browser, address: str) -> None:
    with tab(chromium, address, viewport=PHONE, has_touch=True, reduced_motion="reduce") as page:
        results(page)
        first = page.locator(".photos a").first.bounding_box()
        assert first is not None
        where = {"x": first["x"] + first["width"] / 2, "y": first["y"] + first["height"] / 2}
        devtools = page.context.new_cdp_session(page)
        devtools.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [where]})
        bar = page.get_by_role("form", name="Selected photos")
        expect(bar).to_contain_text("1 selected")
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(bar).to_contain_text("1 selected")
        page.locator(".photos a").nth(1).tap()
        expect(bar).to_contain_text("2 selected")
        sizes = bar.locator("button:visible, input:visible").evaluate_all("all => all.map(each => each.clientHeight)")
        assert min(sizes) >= 40
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_photos_are_chosen_without_scripts(chromium: Browser, address: str) -> None:
    with tab(chromium, address, java_script_enabled=False) as page:
        search(page)
        box(page, 0)
        box(page, 3)
        page.get_by_role("textbox", name="Tag for the selected photos").fill("plain")
        page.get_by_role("button", name="Add tag").click()
        expect(page.get_by_text("2 photos are tagged plain now")).to_be_visible()
        page.get_by_role("link", name="Back to the photos").click()
        expect(page.locator(".reranked .photos li").first).to_be_visible()


def test_other_filters_begin_a_new_selection(page: Page) -> None:
    results(page)
    box(page, 0)
    page.get_by_role("button", name="Folder").click()
    page.get_by_role("link", name="deeper").first.click()
    expect(page.locator(".photos li")).to_have_count(1)
    page.get_by_role("button", name="Done").click()
    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).to_be_hidden()
    box(page, 0)
    expect(bar).to_contain_text("1 selected")


def test_the_middle_of_a_narrow_photo_opens_it(chromium: Browser, address: str) -> None:
    with tab(chromium, address, viewport={"width": 320, "height": 700}, has_touch=True) as page:
        results(page)
        page.locator(".reranked .photos li").first.evaluate("item => { item.style.flex = '0 0 44px'; }")
        page.locator(".reranked .photos a").first.tap()
        page.wait_for_url("**/photos/**")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_bar_is_accessible_and_covers_no_photo_for_good(
    chromium: Browser, address: str, scheme: str, width: int
) -> None:
    with tab(chromium, address, color_scheme=scheme, viewport={"width": width, "height": 700}) as page:
        search(page)
        box(page, 0)
        bar = page.get_by_role("form", name="Selected photos")
        expect(bar).to_be_visible()
        assert Axe().run(page, options={"runOnly": RULES}).violations_count == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("End")
        wait_until(lambda: page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 1"))
        last, top = page.locator(".photos li").last.bounding_box(), bar.bounding_box()
        assert last is not None
        assert top is not None
        assert last["y"] + last["height"] <= top["y"]
