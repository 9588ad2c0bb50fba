"""The pills over the results as a person uses them, in Debian's Chromium: by keyboard, by touch, without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import piexif
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.engine.libraries import index
from tests.web.applications import hits, opened, served
from tests.web.test_browser import CHROMIUM, PHONE, RULES, chromium, tab

__all__ = ["chromium"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")

QUERY = "type:jpg"
PILLS = ("When", "Where", "Camera", "Folder", "Without")


def degrees(value: float) -> tuple[tuple[int, int], ...]:
    return ((round(abs(value) * 100), 100), (0, 1), (0, 1))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, photos: Path, weights: Path) -> Iterator[str]:
    """The address of a library of eight photos of 2014 to 2021, of two cameras, two countries and three folders."""
    folder = tmp_path_factory.mktemp("album")
    for row in range(8):
        latitude, longitude = [(38.72, -9.14), (41.15, -8.61), (48.14, 11.58)][row % 3]
        exif = {
            "0th": {piexif.ImageIFD.Model: b"Canon EOS 80D" if row < 5 else b"Pixel 7"},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: f"{2014 + row}:03:15 12:00:00".encode()},
            "GPS": {1: b"N", 2: degrees(latitude), 3: b"E" if longitude > 0 else b"W", 4: degrees(longitude)},
        }
        path = folder / ("trips/south" if row < 3 else "trips/north" if row < 5 else "home") / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(photos / f"scene {row + 1:02}.jpg") as image:
            image.save(path, exif=piexif.dump(exif))
    library = tmp_path_factory.mktemp("album-library")
    index(library, folder, weights)
    with opened(library, weights) as app:
        hits(app.test_client())  # the first search loads the network
        with served(app) as address:
            yield address


def results(page: Page, query: str = QUERY) -> None:
    page.goto(f"/?q={query}")
    expect(page.locator(".reranked .photos li").first).to_be_visible()


def pill(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def expect_photos(page: Page, count: int) -> None:
    expect(page.locator(".reranked .photos li")).to_have_count(count)


def expect_numbers(panel: Locator, query: str) -> None:
    """Wait until what the panel offers is counted for that search: it comes after the results."""
    expect(panel.locator("form [name=q]")).to_have_value(query)


def test_one_chooses_several_things_in_one_popover_and_the_results_follow(chromium: Browser, album: str) -> None:
    with tab(chromium, album) as page:
        results(page)
        pill(page, "Where").click()
        where = page.get_by_role("dialog", name="Where")
        expect(where.get_by_role("link", name="Portugal 6 photos")).to_be_visible()
        where.get_by_role("link", name="Lisbon 3 photos").click()
        expect_photos(page, 3)
        expect(where).to_be_visible()
        where.get_by_role("link", name="Munich 2 photos").click()
        expect_photos(page, 5)
        expect(where.get_by_role("link", name="Lisbon")).to_have_attribute("aria-current", "true")
        expect(where).to_be_visible()
        expect(page.get_by_role("searchbox")).to_have_value(f'{QUERY} place:"Lisbon, Portugal" place:"Munich, Germany"')
        pill(page, "Camera").click()
        expect(where).to_be_hidden()
        camera = page.get_by_role("dialog", name="Camera")
        expect(camera.get_by_role("link", name="Canon EOS 80D 3 photos")).to_be_visible()
        camera.get_by_role("link", name="Pixel 7 2 photos").click()
        expect_photos(page, 2)
        camera.get_by_role("link", name="Pixel 7").click()
        expect_photos(page, 5)
        camera.get_by_role("button", name="Done").click()
        expect(camera).to_be_hidden()
        page.get_by_role("link", name="Without the filter Lisbon, Portugal").click()
        expect_photos(page, 2)
        page.go_back()
        expect_photos(page, 5)


def test_a_photo_of_the_results_after_a_choice_opens_over_them_and_back_leads_to_them(
    chromium: Browser, album: str
) -> None:
    with tab(chromium, album) as page:
        results(page)
        pill(page, "Camera").click()
        page.get_by_role("dialog", name="Camera").get_by_role("link", name="Pixel 7 3 photos").click()
        expect_photos(page, 3)
        page.get_by_role("button", name="Done").click()
        page.locator(".photos a").first.click()
        expect(page.locator("dialog.overlay[open]")).to_be_visible()
        page.go_back()
        expect(page.locator("dialog.overlay[open]")).to_have_count(0)
        expect_photos(page, 3)
        page.go_back()
        expect_photos(page, 8)
        page.go_forward()
        expect_photos(page, 3)


def test_forward_to_the_results_of_a_choice_leads_to_them_also_where_the_script_comes_late(
    chromium: Browser, album: str
) -> None:
    with tab(chromium, album) as page:
        results(page)
        pill(page, "Camera").click()
        page.get_by_role("dialog", name="Camera").get_by_role("link", name="Pixel 7 3 photos").click()
        expect_photos(page, 3)
        held: list[Route] = []
        page.route("**/filters.js*", lambda route: held.append(route), times=1)
        page.go_back(wait_until="commit")
        expect_photos(page, 8)
        page.go_forward(wait_until="commit")
        for route in held:
            route.continue_()
        expect_photos(page, 3)


def test_choices_made_faster_than_the_results_come_all_count(chromium: Browser, album: str) -> None:
    with tab(chromium, album) as page:
        results(page)
        pill(page, "Where").click()
        where = page.get_by_role("dialog", name="Where")
        expect(where.get_by_role("link", name="Lisbon 3 photos")).to_be_visible()
        where.evaluate(
            """panel => ["Lisbon", "Munich", "Porto", "Lisbon"].forEach(name =>
                [...panel.querySelectorAll("a")].find(link => link.textContent.startsWith(name)).click())"""
        )
        expect(page.get_by_role("searchbox")).to_have_value(f'{QUERY} place:"Munich, Germany" place:"Porto, Portugal"')
        expect_photos(page, 5)
        expect(where).to_be_visible()


def test_each_pill_goes_by_the_keyboard(chromium: Browser, album: str) -> None:
    with tab(chromium, album) as page:
        results(page)
        for name, key in zip(PILLS, ("Enter", "Space", "ArrowDown", "Enter", "Space"), strict=True):
            pill(page, name).focus()
            page.keyboard.press(key)
            dialog = page.get_by_role("dialog", name=name)
            expect(dialog).to_be_visible()
            expect(pill(page, name)).to_have_attribute("aria-expanded", "true")
            expect(dialog.locator(":focus")).to_have_count(1)
            page.keyboard.press("Escape")
            expect(dialog).to_be_hidden()
            expect(pill(page, name)).to_have_attribute("aria-expanded", "false")
            expect(pill(page, name)).to_be_focused()
        results(page, "a red circle")
        pill(page, "Without").press("Enter")
        without = page.get_by_role("dialog", name="Without")
        without.get_by_role("textbox").press_sequentially("a dog")
        page.keyboard.press("Enter")
        expect(page.get_by_role("searchbox")).to_have_value('a red circle -"a dog"')
        expect(without.get_by_role("link", name="without a dog")).to_be_visible()
        expect(without.get_by_role("textbox")).to_be_focused()
        without.get_by_role("link", name="without a dog").press("Enter")
        expect(page.get_by_role("searchbox")).to_have_value("a red circle")
        results(page)
        pill(page, "Folder").focus()
        page.keyboard.press("Enter")
        folder = page.get_by_role("dialog", name="Folder")
        expect(folder.get_by_role("link", name="home 3 photos")).to_be_focused()
        page.keyboard.press("Enter")
        expect_photos(page, 3)
        expect(folder.get_by_role("link", name="home 3 photos")).to_be_focused()
        page.keyboard.press("Enter")
        expect_photos(page, 8)


def test_a_range_of_years_goes_by_sliders_and_by_dragging(chromium: Browser, album: str) -> None:
    with tab(chromium, album) as page:
        results(page)
        pill(page, "When").click()
        when = page.get_by_role("dialog", name="When")
        first = when.get_by_role("slider", name="From")
        expect(first).to_have_attribute("aria-valuetext", "2014")
        first.press("ArrowRight")
        expect_photos(page, 7)
        expect(page.get_by_role("searchbox")).to_have_value(f"{QUERY} after:2015")
        expect(first).to_be_focused()
        when.get_by_role("slider", name="Until").press("ArrowLeft")
        expect_photos(page, 6)
        expect(page.get_by_role("searchbox")).to_have_value(f"{QUERY} after:2015 before:2021")
        bars = when.locator(".histogram li")
        expect(bars).to_have_count(8)
        expect_numbers(when, f"{QUERY} after:2015 before:2021")
        boxes: list[Any] = [bars.nth(row).bounding_box() for row in (2, 4)]
        for row, box in enumerate(boxes):
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=5)
            page.mouse.down() if row == 0 else page.mouse.up()
        expect(page.get_by_role("searchbox")).to_have_value(f"{QUERY} after:2016 before:2019")
        expect_photos(page, 3)
        expect(when).to_be_visible()
        when.get_by_role("link", name="2017").click()
        expect_photos(page, 1)
        when.get_by_role("link", name="all years").click()
        expect_photos(page, 8)


@contextmanager
def numbers_held(page: Page) -> Iterator[Callable[[], None]]:
    """After a choice meanwhile, its numbers of photos come only when they are called for; its results come at once."""
    held: list[Route] = []
    page.route("**/filters?*", lambda route: held.append(route), times=1)

    def let_come() -> None:
        with page.expect_request_finished():
            held[0].continue_()
        page.evaluate("new Promise(requestAnimationFrame).then(() => true)")  # what waited for the answer has run

    with page.expect_request("**/filters?*"):
        yield let_come


def test_what_is_chosen_while_the_numbers_after_the_choice_before_come_counts(chromium: Browser, album: str) -> None:
    with tab(chromium, album) as page:
        results(page)
        pill(page, "When").click()
        when = page.get_by_role("dialog", name="When")
        first, last = (when.get_by_role("slider", name=name) for name in ("From", "Until"))
        expect(first).to_have_attribute("aria-valuetext", "2014")
        with numbers_held(page) as let_numbers_come:
            first.press("ArrowRight")
        expect_photos(page, 7)
        last.press("ArrowLeft")
        let_numbers_come()
        expect_photos(page, 6)
        expect_numbers(when, f"{QUERY} after:2015 before:2021")
        with numbers_held(page) as let_numbers_come:
            when.get_by_role("link", name="all years").click()
        expect_photos(page, 8)
        boxes: list[Any] = [when.locator(".histogram li").nth(row).bounding_box() for row in (2, 4)]
        for row, box in enumerate(boxes):
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=5)
            page.mouse.down() if row == 0 else let_numbers_come()
        page.mouse.up()
        expect(page.get_by_role("searchbox")).to_have_value(f"{QUERY} after:2016 before:2019")
        expect_photos(page, 3)


def test_on_a_phone_a_sheet_at_the_bottom_leaves_the_photos_where_they_are(chromium: Browser, album: str) -> None:
    with tab(chromium, album, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        results(page)
        photo = page.locator(".photos li").first
        before = photo.bounding_box()
        for name in PILLS:
            pill(page, name).tap()
            sheet = page.get_by_role("dialog", name=name)
            expect(sheet.get_by_role("button", name="Done")).to_be_visible()
            box = sheet.bounding_box()
            assert box is not None
            assert (box["x"], box["width"]) == (0, PHONE["width"])
            assert box["y"] + box["height"] <= PHONE["height"] + 1
            assert box["y"] > PHONE["height"] / 3
            small = sheet.locator("a, button, input:not([type=hidden]), summary").evaluate_all(
                "all => all.filter(one => one.getBoundingClientRect().height < 43.5).map(one => one.outerHTML)"
            )
            assert small == []
            assert photo.bounding_box() == before
            sheet.get_by_role("button", name="Done").tap()
            expect(sheet).to_be_hidden()
        pill(page, "Camera").tap()
        sheet = page.get_by_role("dialog", name="Camera")
        sheet.get_by_role("link", name="Pixel 7 3 photos").tap()
        expect_photos(page, 3)
        expect(sheet).to_be_visible()
        page.touchscreen.tap(PHONE["width"] / 2, 20)
        expect(sheet).to_be_hidden()


def test_without_scripts_the_pills_are_links_to_the_page_of_all_filters(chromium: Browser, album: str) -> None:
    with tab(chromium, album, java_script_enabled=False, viewport=PHONE) as page:
        results(page)
        for name in PILLS:
            page.get_by_role("link", name=name, exact=True).click()
            expect(page.get_by_role("heading", name=name, level=2)).to_be_in_viewport()
            page.go_back()
        page.get_by_role("link", name="Where", exact=True).click()
        page.get_by_role("link", name="Lisbon 3 photos").click()
        expect_photos(page, 3)
        page.get_by_role("link", name="When", exact=True).click()
        page.get_by_role("textbox", name="From").fill("2016")
        page.get_by_role("button", name="Show").click()
        expect_photos(page, 2)
        page.get_by_role("link", name=re.compile("since 2016")).click()
        expect_photos(page, 3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_filters_and_errors_are_accessible(chromium: Browser, album: str, scheme: Any) -> None:
    with tab(chromium, album, color_scheme=scheme, viewport=PHONE, reduced_motion="reduce") as page:
        for there in (f"/filters?q={QUERY} taken:2016 place:portugal -crowd", "/filters"):
            page.goto(there)
            result = Axe().run(page, options={"runOnly": RULES})
            assert result.violations_count == 0, f"{there}: {result.generate_report()}"
        results(page, f"{QUERY} after:2015")
        for name in PILLS:
            pill(page, name).click()
            expect(page.get_by_role("dialog", name=name).get_by_role("button", name="Done")).to_be_visible()
            result = Axe().run(page, options={"runOnly": RULES})
            assert result.violations_count == 0, f"{name}: {result.generate_report()}"
            page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_filters_are_no_wider_than_the_screen(chromium: Browser, album: str, width: int) -> None:
    with tab(chromium, album, viewport={"width": width, "height": 800}) as page:
        page.goto(f"/filters?q={QUERY} folder:/{'x' * 200} camera:{'y' * 90} taken:2016")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        results(page)
        for name in PILLS:
            pill(page, name).click()
            dialog = page.get_by_role("dialog", name=name)
            expect(dialog.get_by_role("button", name="Done")).to_be_visible()
            assert dialog.evaluate("panel => panel.scrollWidth <= panel.clientWidth"), name
            box = dialog.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_error_is_corrected_by_its_link(chromium: Browser, album: str) -> None:
    context = chromium.new_context(base_url=album)  # the browser itself complains of the status 400
    page = context.new_page()
    page.goto("/?q=camara:canon type:jpg")
    expect(page.locator("mark")).to_have_text("camara:canon")
    expect(page.get_by_role("searchbox")).to_have_value("camara:canon type:jpg")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert Axe().run(page, options={"runOnly": RULES}).violations_count == 0
    page.set_viewport_size({"width": 320, "height": 600})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("link", name="camera:canon type:jpg").click()
    expect_photos(page, 5)
    context.close()
