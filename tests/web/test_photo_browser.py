"""One photo as a person meets it in Chromium: over the results and as a page, by keyboard, mouse and fingers."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.web.applications import hits, opened, served
from tests.web.photo_folders import SHAPES, draw_shapes
from tests.web.test_browser import CHROMIUM, PHONE, RULES, chromium, search, tab

__all__ = ["chromium"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
EVERY_PHOTO = "/?q=type:jpg"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """The address of a server with a photo of each shape, and the id of each by its name."""
    folder = draw_shapes(tmp_path_factory.mktemp("shapes") / "photos")
    library = folder.parent / "library"
    index(library, folder, weights)
    with opened(library, weights) as app:
        found = hits(app.test_client(), q="type:jpg")
        ids = {Path(hit["path"]).stem: hit["photo_id"] for hit in found}
        with served(app) as address:
            yield address, ids


@pytest.fixture
def own(chromium: Browser, library: Path, weights: Path) -> Iterator[Page]:
    """A page over a library of its own, to write about its photos."""
    with opened(library, weights) as app, served(app) as address, tab(chromium, address) as page:
        yield page


def overlay(page: Page) -> Locator:
    return page.get_by_role("dialog")


def open_photo(page: Page, number: int) -> str:
    """Click on a photo of the results; the name of it."""
    name = str(page.locator(".reranked .photos > li > a img").nth(number).get_attribute("alt"))
    page.locator(".reranked .photos > li > a").nth(number).click()
    expect(overlay(page).get_by_role("heading", level=1)).to_have_text(name)
    return name


def box(page: Page, selector: str = ".picture img") -> dict[str, float]:
    size = page.locator(selector).first.evaluate("element => element.getBoundingClientRect().toJSON()")
    return {name: float(size[name]) for name in ("x", "y", "width", "height")}


def touch(page: Page, *moves: list[tuple[float, float]]) -> None:
    """Fingers that go down together, and move from place to place."""
    client = page.context.new_cdp_session(page)
    for step, points in enumerate(zip(*moves, strict=True)):
        kind = "touchStart" if step == 0 else "touchMove"
        client.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]},
        )
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    client.detach()


def double_tap(page: Page, x: float, y: float) -> None:
    """Two taps a tenth of a second apart, by the clock of the browser, however long it takes to send them."""
    client, now = page.context.new_cdp_session(page), time.time()
    for delay_s in (0.0, 0.1):
        for kind, points, after_s in (("touchStart", [{"x": x, "y": y}], 0.0), ("touchEnd", [], 0.03)):
            event = {"type": kind, "touchPoints": points, "timestamp": now + delay_s + after_s}
            client.send("Input.dispatchTouchEvent", event)
    client.detach()


def line(start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> list[tuple[float, float]]:
    return [
        (start[0] + (end[0] - start[0]) * step / steps, start[1] + (end[1] - start[1]) * step / steps)
        for step in range(steps + 1)
    ]


class TestOverlay:
    def test_it_has_an_address_and_back_forward_and_reload_do_what_they_say(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(EVERY_PHOTO)
            results = page.url
            open_photo(page, 1)
            first = page.url
            assert re.search(r"/photos/\d+\?q=", first)
            expect(overlay(page).locator("figcaption")).to_have_text("2 of 5")
            page.keyboard.press("ArrowRight")
            expect(overlay(page).locator("figcaption")).to_have_text("3 of 5")
            assert page.url not in (first, results)
            second = page.url
            page.go_back()
            expect(overlay(page)).to_have_count(0)
            expect(page).to_have_url(results)
            expect(page.locator(".reranked .photos > li > a").nth(2)).to_be_focused()
            page.go_forward()
            expect(overlay(page).locator("figcaption")).to_have_text("3 of 5")
            expect(page).to_have_url(second)
            page.reload()
            expect(page.locator("main article.photo figcaption")).to_have_text("3 of 5")
            expect(overlay(page)).to_have_count(0)
            page.go_back()
            expect(page.locator(".reranked .photos li")).to_have_count(len(SHAPES))
            expect(page).to_have_url(results)
            page.go_forward()
            expect(overlay(page).locator("figcaption")).to_have_text("3 of 5")
            overlay(page).get_by_role("link", name="Back to the results").click()
            expect(overlay(page)).to_have_count(0)
            expect(page).to_have_url(results)

    def test_forward_opens_it_also_where_the_script_comes_late(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(EVERY_PHOTO)
            open_photo(page, 1)
            expect(overlay(page).locator("figcaption")).to_have_text("2 of 5")
            page.reload()
            held: list[Route] = []
            page.route("**/photo.js*", lambda route: held.append(route))
            page.go_back(wait_until="commit")
            expect(page.locator(".photos li").first).to_be_attached()
            page.go_forward(wait_until="commit")
            for route in held:
                route.continue_()
            expect(overlay(page).locator("figcaption")).to_have_text("2 of 5")

    def test_a_similar_photo_opens_in_it_and_back_leads_through_them(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(EVERY_PHOTO)
            results = page.url
            name = open_photo(page, 0)
            similar = overlay(page).locator(".photos a").first
            other = str(similar.locator("img").get_attribute("alt"))
            similar.click()
            expect(overlay(page).get_by_role("heading", level=1)).to_have_text(other)
            page.go_back()
            expect(overlay(page).get_by_role("heading", level=1)).to_have_text(name)
            page.go_forward()
            expect(overlay(page).get_by_role("heading", level=1)).to_have_text(other)
            page.keyboard.press("Escape")
            expect(overlay(page)).to_have_count(0)
            page.wait_for_url(results)

    def test_many_quick_turns_end_at_the_right_photo(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(EVERY_PHOTO)
            page.locator(".reranked .photos > li > a").first.click()
            for _ in range(200):
                if overlay(page).locator("figcaption", has_text="5 of 5").count():
                    break
                page.keyboard.press("ArrowRight")
                page.wait_for_timeout(150)
            expect(overlay(page).locator("figcaption")).to_have_text("5 of 5")
            expect(overlay(page).locator(".turn.next")).to_have_count(0)
            page.keyboard.press("Escape")
            expect(overlay(page)).to_have_count(0)

    def test_two_tabs_have_each_their_own(self, chromium: Browser, shapes: tuple[str, dict[str, int]]) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(EVERY_PHOTO)
            open_photo(page, 0)
            other = page.context.new_page()
            other.goto(page.url)
            expect(other.locator("main figcaption")).to_have_text("1 of 5")
            other.keyboard.press("ArrowRight")
            expect(other.locator("main figcaption")).to_have_text("2 of 5")
            expect(overlay(page).locator("figcaption")).to_have_text("1 of 5")
            other.keyboard.press("Escape")
            expect(other.locator(".photos li").first).to_be_visible()
            expect(overlay(page)).to_be_visible()

    def test_a_photo_that_was_removed_meanwhile_is_told_in_words(
        self, chromium: Browser, weights: Path, photos: Path, tmp_path: Path
    ) -> None:
        from tests.cli.commands import pixelseek

        copy = shutil.copytree(photos, tmp_path / "photos")
        index(tmp_path / "library", copy, weights)
        with opened(tmp_path / "library", weights) as app, served(app) as address:
            context = chromium.new_context(base_url=address)  # the browser complains of what is missing
            page = context.new_page()
            search(page)
            results = page.url
            pixelseek("library", "remove", copy, "--library", tmp_path / "library")
            page.locator(".reranked .photos > li > a").nth(1).click()
            expect(overlay(page)).to_contain_text("no longer in the library")
            overlay(page).get_by_role("link", name="Back to the results").click()
            expect(overlay(page)).to_have_count(0)
            expect(page).to_have_url(results)
            context.close()

    def test_a_click_for_a_new_tab_opens_one(self, chromium: Browser, shapes: tuple[str, dict[str, int]]) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(EVERY_PHOTO)
            with page.context.expect_page() as there:
                page.locator(".reranked .photos > li > a").first.click(modifiers=["ControlOrMeta"])
            expect(there.value.locator("main article.photo")).to_be_visible()
            expect(overlay(page)).to_have_count(0)


class TestStage:
    @pytest.mark.parametrize("scripts", [True, False])
    @pytest.mark.parametrize("width", [320, 1280, 2560])
    def test_a_photo_of_any_shape_is_seen_whole_and_never_enlarged(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]], width: int, scripts: bool
    ) -> None:
        viewport: Any = {"width": width, "height": 800}
        with tab(chromium, shapes[0], viewport=viewport, java_script_enabled=scripts) as page:
            for name, (photo_width, photo_height) in SHAPES.items():
                page.goto(f"/photos/{shapes[1][name]}")
                page.locator(".picture img").evaluate("image => image.decode()") if scripts else None
                stage, picture = box(page, ".stage"), box(page)
                assert picture["width"] <= photo_width + 0.5, name
                assert picture["height"] <= photo_height + 0.5, name
                assert picture["x"] >= stage["x"] - 0.5, name
                assert picture["y"] >= stage["y"] - 0.5, name
                assert picture["x"] + picture["width"] <= stage["x"] + stage["width"] + 0.5, name
                assert picture["y"] + picture["height"] <= stage["y"] + stage["height"] + 0.5, name
                assert abs(picture["width"] * photo_height / (picture["height"] * photo_width) - 1) < 0.08, name
                fills = picture["width"] >= stage["width"] - 1 or picture["height"] >= stage["height"] - 1
                assert fills or picture["width"] >= min(photo_width, 2047), f"{name} is not smaller than it need be"

    def test_it_is_zoomed_by_keys_buttons_wheel_and_double_click(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0], viewport={"width": 1280, "height": 800}) as page:
            page.goto(f"/photos/{shapes[1]['large']}")
            expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
            whole = box(page)
            page.keyboard.press("+")
            once = box(page)
            assert once["width"] > 1.5 * whole["width"]
            page.keyboard.press("-")
            assert abs(box(page)["width"] - whole["width"]) < 1
            page.get_by_role("button", name="Zoom in").click()
            assert abs(box(page)["width"] - once["width"]) < 1
            page.keyboard.press("0")
            assert box(page) == whole
            x, y = whole["x"] + 100, whole["y"] + 50
            page.mouse.move(x, y)
            page.mouse.wheel(0, -400)
            expect(page.locator(".zoomed")).to_have_count(1)
            grown = box(page)
            scale = grown["width"] / whole["width"]
            assert scale > 1.5
            assert abs(grown["x"] + 100 * scale - x) < 2, "what is under the pointer stays there"
            before = grown["x"]
            page.mouse.down()
            page.mouse.move(x - 120, y - 30, steps=4)
            page.mouse.up()
            assert box(page)["x"] < before - 60, "it is dragged"
            page.mouse.dblclick(640 - 200, 400)
            expect(page.locator(".zoomed")).to_have_count(0)
            page.wait_for_timeout(450)  # a double click may follow two taps, and counts once
            page.mouse.dblclick(300, 300)
            expect(page.locator(".zoomed")).to_have_count(1)
            for _ in range(12):
                page.keyboard.press("+")
            assert box(page)["width"] <= 4 * whole["width"] + 1, "there is an end"
            original = re.compile("/original$")
            expect(page.locator(".picture img")).to_have_attribute("src", original)
            expect(page).to_have_url(re.compile(f"/photos/{shapes[1]['large']}$"))

    def test_an_icon_stays_as_small_as_it_is_and_a_panorama_can_be_walked_along(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0], viewport={"width": 1280, "height": 800}) as page:
            page.goto(f"/photos/{shapes[1]['icon']}")
            expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
            for key in ("+", "+", "+"):
                page.keyboard.press(key)
            assert (box(page)["width"], box(page)["height"]) == (16, 16)
            page.goto(f"/photos/{shapes[1]['panorama']}")
            expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
            for _ in range(6):
                page.keyboard.press("+")
            assert box(page)["width"] >= 2999
            stage = box(page, ".stage")
            for direction in (+1, -1):
                for _ in range(10):
                    page.mouse.move(stage["x"] + 400, 400)
                    page.mouse.down()
                    page.mouse.move(stage["x"] + 400 + 350 * direction, 400, steps=3)
                    page.mouse.up()
                edge = box(page)
                if direction > 0:
                    assert abs(edge["x"] - stage["x"]) < 1, "its left end, and not beyond"
                else:
                    assert abs(edge["x"] + edge["width"] - stage["x"] - stage["width"]) < 1

    def test_fingers_swipe_from_photo_to_photo_and_pinch(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0], viewport=PHONE, has_touch=True, is_mobile=True) as page:
            page.goto(EVERY_PHOTO)
            page.locator(".reranked .photos > li > a").nth(1).tap()
            caption = overlay(page).locator("figcaption")
            expect(caption).to_have_text("2 of 5")
            touch(page, line((320, 350), (60, 360)))
            expect(caption).to_have_text("3 of 5")
            touch(page, line((60, 350), (320, 345)))
            expect(caption).to_have_text("2 of 5")
            touch(page, line((200, 300), (180, 310)))
            touch(page, line((200, 500), (190, 250)))
            page.wait_for_timeout(300)
            expect(caption).to_have_text("2 of 5")
            page.goto(f"/photos/{shapes[1]['large']}?q=type:jpg")
            expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
            whole, number = box(page), page.locator("figcaption").inner_text()
            touch(page, line((170, 330), (80, 330)), line((220, 330), (310, 330)))
            expect(page.locator(".zoomed")).to_have_count(1)
            pinched = box(page)
            assert pinched["width"] > 2 * whole["width"]
            touch(page, line((300, 330), (150, 330)))
            assert box(page)["x"] < pinched["x"] - 50, "a finger moves what is enlarged, and turns no page"
            expect(page.locator("figcaption")).to_have_text(number)
            touch(page, line((80, 330), (180, 330)), line((310, 330), (210, 330)))
            expect(page.locator(".zoomed")).to_have_count(0)
            assert abs(box(page)["width"] - whole["width"]) < 1
            double_tap(page, 200, 330)
            expect(page.locator(".zoomed")).to_have_count(1)

    def test_it_fills_the_screen_and_the_details_can_be_put_away(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]]
    ) -> None:
        with tab(chromium, shapes[0], viewport={"width": 1280, "height": 800}) as page:
            page.goto(EVERY_PHOTO)
            open_photo(page, 0)
            details = overlay(page).get_by_role("complementary", name="About this photo")
            expect(details).to_be_visible()
            page.keyboard.press("i")
            expect(details).to_be_hidden()
            assert box(page, "dialog .stage")["width"] >= 1279
            page.keyboard.press("ArrowRight")
            expect(overlay(page).locator("figcaption")).to_have_text("2 of 5")
            expect(details).to_be_hidden()
            page.keyboard.press("i")
            expect(details).to_be_visible()
            overlay(page).get_by_role("button", name="Full screen").click()
            expect(page.locator(".photo:fullscreen")).to_have_count(1)
            page.evaluate("document.exitFullscreen()")
            expect(page.locator(".photo:fullscreen")).to_have_count(0)
            expect(overlay(page)).to_be_visible()


class TestWriting:
    def test_a_favourite_is_made_by_a_key_and_undone(self, own: Page) -> None:
        search(own)
        own.locator(".reranked .photos > li > a").first.click()
        star = overlay(own).get_by_role("button", name="Favourite")
        expect(star).to_have_attribute("aria-pressed", "false")
        own.keyboard.press("f")
        expect(star).to_have_attribute("aria-pressed", "true")
        own.keyboard.press("ArrowRight")
        expect(star).to_have_attribute("aria-pressed", "false")
        own.keyboard.press("ArrowLeft")
        expect(star).to_have_attribute("aria-pressed", "true")
        own.keyboard.press("f")
        expect(star).to_have_attribute("aria-pressed", "false")
        overlay(own).get_by_role("button", name="Undo").click()
        expect(star).to_have_attribute("aria-pressed", "true")
        own.goto("/?q=favourite:yes")
        expect(own.locator(".photos li")).to_have_count(1)

    @pytest.mark.parametrize("scripts", [True, False])
    def test_captions_and_tags_are_written_in_place_and_undone(
        self, chromium: Browser, library: Path, weights: Path, scripts: bool
    ) -> None:
        with (
            opened(library, weights) as app,
            served(app) as address,
            tab(chromium, address, java_script_enabled=scripts) as page,
        ):
            photo_id = hits(app.test_client())[3]["photo_id"]
            page.goto(f"/photos/{photo_id}?q={SENTENCE}")
            heading = page.get_by_role("heading", level=1)
            before = heading.inner_text()
            caption = page.get_by_role("textbox", name="Caption")
            caption.fill('Aunt Mary\'s "60th" <b>')
            page.get_by_role("button", name="Save").click()
            expect(heading).to_have_text('Aunt Mary\'s "60th" <b>')
            expect(page.get_by_text("Saved.")).to_be_visible()
            page.get_by_role("button", name="Undo").click()
            expect(heading).to_have_text(before)
            expect(caption).to_have_value("")
            tag = page.get_by_role("textbox", name="Tags")
            for name in ("cake", "a, b; <i>"):
                tag.fill(name)
                tag.press("Enter")
                expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
                expect(tag).to_have_value("")
            page.get_by_role("button", name="Remove the tag cake").click()
            expect(page.get_by_role("link", name="cake", exact=True)).to_have_count(0)
            page.get_by_role("button", name="Undo").click()
            expect(page.get_by_role("link", name="cake", exact=True)).to_be_visible()
            page.get_by_role("link", name="cake", exact=True).click()
            expect(page.locator(".reranked .photos li")).to_have_count(1)
            written = app.test_client().get(f"/api/v1/photos/{photo_id}").get_json()
            assert (written["caption"], sorted(written["tags"])) == (None, ["a, b; <i>", "cake"])

    @pytest.mark.parametrize("scripts", [True, False])
    def test_what_is_refused_stays_in_the_field_with_the_reason(
        self, chromium: Browser, library: Path, weights: Path, scripts: bool
    ) -> None:
        with opened(library, weights) as app, served(app) as address:
            # The browser itself complains of the status.
            context = chromium.new_context(base_url=address, java_script_enabled=scripts)
            page = context.new_page()
            page.goto(f"/photos/{hits(app.test_client())[3]['photo_id']}")
            caption = page.get_by_role("textbox", name="Caption")
            caption.fill("!!!")
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_role("alert")).to_contain_text("No search could find the caption !!!")
            expect(caption).to_have_value("!!!")
            context.close()

    def test_typing_is_typing_and_escape_leaves_the_field_not_the_photo(self, own: Page) -> None:
        search(own)
        own.locator(".reranked .photos > li > a").first.click()
        caption = overlay(own).get_by_role("textbox", name="Caption")
        caption.fill("")
        before = own.url
        caption.press_sequentially("if 0 + - f")
        caption.press("ArrowLeft")
        assert own.url == before
        expect(caption).to_have_value("if 0 + - f")
        expect(overlay(own).get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "false")
        caption.press("Escape")
        expect(overlay(own)).to_be_visible()
        expect(caption).to_have_value("")
        own.keyboard.press("Escape")
        expect(overlay(own)).to_have_count(0)

    def test_what_another_tab_wrote_is_not_undone(self, own: Page) -> None:
        search(own)
        own.goto(str(own.locator(".reranked .photos > li > a").first.get_attribute("href")))
        other = own.context.new_page()
        other.goto(own.url)
        for page, name in ((own, "sea"), (other, "sand")):
            page.get_by_role("textbox", name="Tags").fill(name)
            page.get_by_role("button", name="Add").click()
            expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
        own.get_by_role("button", name="Undo").click()
        expect(own.get_by_role("link", name="sea", exact=True)).to_have_count(0)
        expect(own.get_by_role("link", name="sand", exact=True)).to_be_visible()


class TestActions:
    def test_the_original_is_downloaded_and_the_path_copied(
        self, chromium: Browser, shapes: tuple[str, dict[str, int]], tmp_path: Path
    ) -> None:
        with tab(chromium, shapes[0], permissions=["clipboard-read", "clipboard-write"]) as page:
            page.goto(f"/photos/{shapes[1]['large']}?q=type:jpg")
            with page.expect_download() as download:
                page.get_by_role("link", name="Download original").click()
            assert download.value.suggested_filename == "large.jpg"
            page.get_by_role("button", name="Copy path").click()
            expect(page.get_by_text("The path is copied.")).to_be_visible()
            path = Path(page.evaluate("navigator.clipboard.readText()"))
            assert path.name == "large.jpg"
            assert Path(download.value.path()).read_bytes() == path.read_bytes()
            page.get_by_role("link", name="More like this").click()
            expect(page.locator(".photos li")).to_have_count(len(SHAPES) - 1)

    def test_it_says_what_a_person_wants_to_know(self, chromium: Browser, shapes: tuple[str, dict[str, int]]) -> None:
        with tab(chromium, shapes[0]) as page:
            page.goto(f"/photos/{shapes[1]['large']}")
            expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^14 July 2021, Munich"))
            details = page.get_by_role("complementary")
            expect(details).to_contain_text("Nikon D750")
            expect(details).to_contain_text("2600 × 1800 pixels")
            page.goto(f"/photos/{shapes[1]['small']}")
            expect(page.get_by_role("heading", level=1)).to_have_text("small.jpg")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_overlay_and_what_is_written_are_accessible(
    chromium: Browser, library: Path, weights: Path, scheme: Any
) -> None:
    with (
        opened(library, weights) as app,
        served(app) as address,
        tab(chromium, address, color_scheme=scheme, viewport=PHONE, has_touch=True, reduced_motion="reduce") as page,
    ):
        search(page)
        page.locator(".reranked .photos > li > a").nth(1).press("Enter")
        for tag in ("cake", "a tag that is rather long, and says more than anybody reads"):
            overlay(page).get_by_role("textbox", name="Tags").fill(tag)
            overlay(page).get_by_role("button", name="Add").click()
            expect(overlay(page).get_by_role("link", name=tag)).to_be_visible()
        expect(overlay(page).get_by_role("textbox", name="Tags")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        expect(overlay(page).get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
        result = Axe().run(page, options={"runOnly": RULES})
        assert result.violations_count == 0, result.generate_report()
        low = (
            overlay(page)
            .locator("button, .button, .turn, .back, summary, input")
            .evaluate_all(
                "controls => controls.filter(control => control.checkVisibility() && control.type !== 'hidden' "
                "&& control.getBoundingClientRect().height < 43.5).map(control => control.outerHTML)"
            )
        )
        assert low == [], "controls are high enough for a finger"
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 320
        page.reload()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        result = Axe().run(page, options={"runOnly": RULES})
        assert result.violations_count == 0, result.generate_report()


def test_the_arrows_stay_when_many_others_have_searched_since(
    chromium: Browser, library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(library, weights) as app, served(app) as address, tab(chromium, address) as page:
        search(page)
        open_photo(page, 4)
        monkeypatch.setattr("web.searches._MAX_SNAPSHOTS", 2)
        for other in ("red", "blue", "green"):
            hits(app.test_client(), q=other)
        page.keyboard.press("ArrowRight")
        expect(overlay(page).locator("figcaption")).to_contain_text(f"6 of {PHOTO_COUNT}")
        page.keyboard.press("ArrowLeft")
        expect(overlay(page).locator("figcaption")).to_contain_text(f"5 of {PHOTO_COUNT}")
