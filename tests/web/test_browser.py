"""The pages as a person meets them, in Debian's Chromium."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from indexer.library.settings import Settings
from model.scoring.calibration import Calibration
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, SPREAD, index, recalibrate
from tests.web.applications import hits, opened, served
from web.service import service_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --ignore-certificate-errors"
)
"""For the self-signed certificate of a proxy: told only in a page to ignore it, Chromium opens each connection several
times, and gives up (ERR_TOO_MANY_RETRIES) where many are opened at once."""
DROP = """([name, content]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(content)], "photo.jpg", {type: "image/jpeg"}));
    const options = {dataTransfer: transfer, clipboardData: transfer, bubbles: true, cancelable: true};
    document.body.dispatchEvent(new {drop: DragEvent, paste: ClipboardEvent}[name](name, options));
}"""
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 120_000
"""How long a tab is waited for at most: the machine may be busy with other tests."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

expect.set_options(timeout=PATIENCE_MS)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    hits(app.test_client())  # the first search loads the network: a browser waits only so long
    with served(app) as address:
        yield address


@contextmanager
def tab(chromium: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A tab of a fresh browser. Nothing may go wrong in it, and nothing be asked of another site."""
    context: BrowserContext = chromium.new_context(base_url=address, **options)
    context.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []

    def check(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            complaints.append(f"asked {request.url}")

    context.on("request", check)
    context.on("console", lambda message: complaints.append(message.text) if _matters(message) else None)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def _matters(message: ConsoleMessage) -> bool:
    """Over plain HTTP a browser says of each page that it ignores this header, which is for the others."""
    return message.type == "error" and not message.text.startswith("The Cross-Origin-Opener-Policy header has been")


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with tab(chromium, address) as page:
        yield page


def search(page: Page) -> None:
    """Search as a person does, until all of the page is there, and the reranked photos are in the shortlist's place."""
    page.goto("/")
    page.get_by_role("searchbox", name="Describe a photo").fill(SENTENCE)
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".reranked .photos li").first).to_be_visible()
    page.wait_for_load_state("load")
    expect(page.locator("html.scripted")).to_have_count(0)  # a script that comes late shows the shortlist once more


def scroll_until(page: Page, reached: Callable[[], bool]) -> None:
    """Scroll to the end again and again, as a person does while photos come.

    With the keyboard, because Chromium may lose a turn of the wheel while the reranked photos glide to their places.
    """
    for _ in range(300):
        if reached():
            return
        page.keyboard.press("End")
        page.wait_for_timeout(100)
    raise AssertionError(f"scrolling did not lead there, but to {page.locator('main').inner_text()}")


def test_a_person_searches_opens_a_photo_and_comes_back(page: Page) -> None:
    search(page)
    assert "q=a+red+circle" in page.url, "the address holds the search"
    expect(page.locator(".photos li")).to_have_count(PHOTO_COUNT)
    expect(page.locator(".shortlist")).to_have_count(0)
    name = page.locator(".photos img").nth(2).get_attribute("alt")
    page.locator(".photos a").nth(2).click()
    expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_have_text(str(name))
    assert page.evaluate("document.querySelector('figure img').decode().then(() => true)"), "the photo is there"
    expect(page.get_by_role("heading", name="Similar photos")).to_be_visible()
    page.get_by_role("link", name="Back to the results").click()
    expect(page.locator(".reranked .photos li")).to_have_count(PHOTO_COUNT)


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(SENTENCE)
    page.keyboard.press("Enter")
    expect(page.locator(".reranked .photos li")).to_have_count(PHOTO_COUNT)
    expect(page.locator(".shortlist")).to_have_count(0)
    photos = page.locator(".photos a")
    names = [str(name) for name in photos.locator("img").evaluate_all("images => images.map(image => image.alt)")]
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.photos a')"):
            break
    for key, name in (("Enter", names[0]), ("ArrowRight", names[1]), ("ArrowRight", names[2]), ("ArrowLeft", names[1])):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog").get_by_role("heading", level=1)).to_have_text(name)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(photos.nth(1)).to_be_focused()


def test_what_is_left_out_is_taken_out_again_and_the_order_is_chosen(page: Page) -> None:
    page.goto(f'/?q={SENTENCE} -"a dog"')
    expect(page.get_by_role("searchbox")).to_have_value(f'{SENTENCE} -"a dog"')
    page.get_by_role("link", name="without a dog").click()
    expect(page.get_by_role("searchbox")).to_have_value(SENTENCE)
    page.get_by_role("link", name="Newest first").click()
    expect(page.get_by_role("link", name="Newest first")).to_have_attribute("aria-current", "true")
    assert "sort=date" in page.url


def test_a_word_lights_up_where_it_is_seen(chromium: Browser, word_app: Flask) -> None:
    with served(word_app) as address, tab(chromium, address) as page:
        search(page)
        page.locator(".photos a").nth(1).click()
        words, heat = page.locator(".why"), page.locator("figure .heat")
        expect(page.locator(".why li")).to_have_count(len(SENTENCE.split()))
        expect(heat).to_have_count(0)
        words.get_by_role("link", name="square").click()
        expect(heat).to_have_attribute("src", re.compile("word=6$"))
        assert page.evaluate("document.querySelector('.heat').decode().then(() => true)")
        words.get_by_role("link", name="red").click()
        expect(heat).to_have_attribute("src", re.compile("word=1$"))
        words.get_by_role("link", name="red").click()
        expect(heat).to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.locator(".reranked .photos li")).to_have_count(PHOTO_COUNT)


def test_typing_in_the_search_box_turns_no_page(page: Page) -> None:
    page.goto("/")
    search(page)
    page.goto(str(page.locator(".photos a").nth(1).get_attribute("href")))
    before = page.url
    page.get_by_role("searchbox").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(before)


def test_all_works_without_scripts(chromium: Browser, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=5))
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 4)
    with tab(chromium, address, java_script_enabled=False) as page:
        search(page)
        expect(page.locator(".shortlist")).to_be_hidden()
        expect(page.locator(".reranked .photos li:visible")).to_have_count(5)
        page.get_by_role("link", name="More photos").click()
        expect(page.locator(".photos li")).to_have_count(4)
        page.get_by_role("link", name="More photos").click()
        expect(page.locator(".photos li")).to_have_count(3)
        page.locator(".photos a").first.click()
        page.get_by_role("link", name="Previous photo").click()
        page.get_by_role("link", name="Back to the results").click()
        expect(page.locator(".photos li")).to_have_count(4)


def test_a_question_about_a_photo_is_answered_without_scripts(chromium: Browser, address: str, app: Flask) -> None:
    photo_id = hits(app.test_client())[0]["photo_id"]
    with tab(chromium, address, java_script_enabled=False) as page:
        page.goto(f"/photos/{photo_id}?q={SENTENCE}")
        page.get_by_text("Experimental").click()
        box = page.get_by_role("textbox", name="Ask about this photo")
        box.fill("what color is the circle?")
        box.press("Enter")
        expect(box).to_have_value("what color is the circle?")
        expect(page.get_by_role("status").get_by_role("listitem")).to_have_count(3)
        page.get_by_role("link", name="Back to the results").click()
        expect(page.get_by_role("searchbox")).to_have_value(SENTENCE)


def test_further_photos_come_as_one_scrolls(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=5))
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 4)
    page.set_viewport_size({"width": 500, "height": 300})
    search(page)
    scroll_until(page, lambda: not page.locator("a.more").count())
    expect(page.locator(".photos li")).to_have_count(PHOTO_COUNT)
    assert len(set(page.locator(".photos li").evaluate_all("photos => photos.map(photo => photo.id)"))) == PHOTO_COUNT
    assert page.locator(".photos").count() <= 2, "no half row between the pages"


def test_results_that_are_no_longer_kept_lead_to_a_new_search_and_show_no_photo_twice(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=5))
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 4)
    monkeypatch.setattr("web.searches._MAX_SNAPSHOTS", 0)
    orders = itertools.count()
    monkeypatch.setattr("web.searches._digest", lambda *_: f"{next(orders):016}")  # as if photos came and went
    page.set_viewport_size({"width": 500, "height": 300})
    search(page)
    link = page.get_by_role("link", name="These results are no longer kept: search again")
    scroll_until(page, link.is_visible)
    expect(page.locator(".photos li")).to_have_count(5)
    link.click()
    page.wait_for_url("**q=a**")
    expect(page.locator(".reranked .photos li").first).to_be_visible()


def test_photos_keep_their_shape_and_fill_the_rows(page: Page) -> None:
    search(page)
    boxes = page.locator(".photos a").evaluate_all("links => links.map(link => link.getBoundingClientRect().toJSON())")
    assert all(abs(box["width"] / box["height"] - 1) < 0.02 for box in boxes), "this library's photos are squares"
    edge = page.locator(".photos").evaluate("photos => photos.getBoundingClientRect().right")
    assert abs(max(box["right"] for box in boxes) - edge) < 2


@pytest.mark.parametrize("scripts", [True, False])
def test_both_groups_are_open_and_scrollable(
    chromium: Browser, address: str, app: Flask, monkeypatch: pytest.MonkeyPatch, scripts: bool
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch)
    line = app.test_client().get("/api/v1/search", query_string={"q": SENTENCE}).get_json()["line"]
    with tab(chromium, address, java_script_enabled=scripts, viewport=PHONE) as page:
        search(page)
        expect(page.get_by_role("region", name="Best").get_by_role("listitem")).to_have_count(line)
        others = page.get_by_role("region", name="More like this").get_by_role("listitem")
        expect(others).to_have_count(PHOTO_COUNT - line)
        expect(page.locator(".reranked .photos li:visible")).to_have_count(PHOTO_COUNT)
        others.last.scroll_into_view_if_needed()
        expect(others.last).to_be_in_viewport()


@pytest.mark.parametrize(("width", "times"), [(390, 3), (1280, 1.5)])
def test_the_last_row_of_the_best_is_not_much_higher_than_the_others(
    chromium: Browser, address: str, app: Flask, monkeypatch: pytest.MonkeyPatch, width: int, times: float
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch)
    with tab(chromium, address, viewport={"width": width, "height": 800}) as page:
        search(page)
        heights = page.locator(".best .photos a").evaluate_all("links => links.map(link => link.clientHeight)")
        others = page.locator(".reranked section:last-child a").evaluate_all(
            "links => links.map(link => link.clientHeight)"
        )
        assert max(heights) <= times * max(others)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390, 1280, 1920])
def test_no_page_is_wider_than_the_screen(chromium: Browser, address: str, app: Flask, width: int) -> None:
    photo_id = hits(app.test_client())[0]["photo_id"]
    with tab(chromium, address, viewport={"width": width, "height": 800}) as page:
        for there in (
            "/",
            f"/?q={SENTENCE}",
            f"/?q={SENTENCE} folder:/{'x' * 200} taken:1900",
            f"/photos/{photo_id}?q=dog&word=all",
            f"/photos/{photo_id}?q=dog&question=what+is+this",
            "/filters?q=a+dog",
            "/library",
            "/searches?q=a+dog",
            "/teach",
            "/similar",
            "/api",
        ):
            page.goto(there)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, there


def test_what_is_pressed_is_large_enough_for_a_finger(chromium: Browser, address: str, app: Flask) -> None:
    photo_id = hits(app.test_client())[0]["photo_id"]
    pressed = "button, .button, .chip, .order a, .more, header a:not(.skip), input:not([type=checkbox], [type=hidden])"
    with tab(chromium, address, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        for there in ("/", f"/?q={SENTENCE}", "/library", "/similar", "/filters?q=a+dog", f"/photos/{photo_id}?q=dog"):
            page.goto(there)
            small = page.locator(pressed).evaluate_all(
                "all => all.filter(each => each.checkVisibility() && each.getBoundingClientRect().height < 43.5)"
                ".map(each => each.outerHTML)"
            )
            assert small == [], there


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(chromium: Browser, address: str, app: Flask, scheme: Any) -> None:
    photo_id = hits(app.test_client())[0]["photo_id"]
    with tab(chromium, address, color_scheme=scheme, viewport=PHONE, reduced_motion="reduce") as page:
        for there in (
            "/",
            f"/?q={SENTENCE}",
            f"/photos/{photo_id}?q=dog",
            f"/photos/{photo_id}?q=a+dog&word=1",
            f"/photos/{photo_id}?question=what+is+this",
            "/library",
            "/searches?q=a+dog",
            "/teach",
            "/similar",
            "/api",
        ):
            page.goto(there)
            result = Axe().run(page, options={"runOnly": RULES})
            assert result.violations_count == 0, f"{there}: {result.generate_report()}"
        colours = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        paper, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (paper < ink) is (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("calibration", "more"),
    [(SPREAD, "&sort=date"), (Calibration(match_bias=-20.0, cutoff=0.3), "&sort=date"), (SPREAD, " taken:1900")],
)
def test_both_groups_and_what_is_said_without_them_are_accessible(
    chromium: Browser,
    address: str,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    calibration: Calibration,
    more: str,
    scheme: Any,
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch, calibration)
    with tab(chromium, address, color_scheme=scheme, viewport=PHONE, reduced_motion="reduce") as page:
        page.goto(f"/?q={SENTENCE}{more}")
        assert Axe().run(page, options={"runOnly": RULES}).violations_count == 0


def test_a_photo_is_searched_by_choosing_it(page: Page, photos: Path) -> None:
    page.goto("/")
    page.get_by_role("link", name="Search by photo").click()
    page.get_by_label("A photo", exact=True).set_input_files(photos / "scene 03.jpg")
    page.get_by_role("button", name="Find similar photos").click()
    expect(page.get_by_role("heading", name="Photos similar to yours")).to_be_visible()
    expect(page.locator(".photos li")).to_have_count(PHOTO_COUNT - 1)
    page.reload()
    expect(page.locator(".photos li")).to_have_count(PHOTO_COUNT - 1)
    assert page.get_by_role("img", name="Your photo").evaluate("image => image.naturalWidth") > 100


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_is_searched_by_dropping_or_pasting_it(page: Page, photos: Path, event: str) -> None:
    page.goto("/")
    content = list((photos / "scene 03.jpg").read_bytes())
    page.evaluate(DROP, [event, content])
    expect(page.get_by_role("heading", name="Photos similar to yours")).to_be_visible()
    expect(page.locator(".photos li")).to_have_count(PHOTO_COUNT - 1)


def test_words_join_a_photo_that_was_dropped_and_back_leads_back(page: Page, photos: Path) -> None:
    page.goto("/library")
    page.evaluate(DROP, ["drop", list((photos / "scene 03.jpg").read_bytes())])
    expect(page.get_by_role("heading", name="Photos similar to yours")).to_be_visible()
    page.get_by_label("Words").fill(SENTENCE)
    page.get_by_label("Words").press("Enter")
    expect(page.get_by_role("heading", name=f"similar to yours, and to {SENTENCE}")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(", match \\d+ %$"))).to_have_count(PHOTO_COUNT - 1)
    page.locator(".photos a").first.click()
    page.get_by_label("And with").fill(SENTENCE)
    page.get_by_role("button", name="Find more").click()
    expect(page.get_by_role("link", name=re.compile(", match \\d+ %$"))).to_have_count(PHOTO_COUNT - 1)
    page.goto("/library")
    page.evaluate(DROP, ["drop", list((photos / "scene 03.jpg").read_bytes())])
    expect(page.get_by_role("heading", name="Photos similar to yours")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible()


def test_two_tabs_watch_a_library_come_into_being(
    chromium: Browser, weights: Path, photos: Path, tmp_path: Path
) -> None:
    with (
        opened(tmp_path / "library", weights, ROOTS=[photos]) as app,
        served(app) as address,
        tab(chromium, address) as page,
        tab(chromium, address) as other,
    ):
        page.goto("/")
        expect(page.get_by_role("heading", name="Nothing to search yet")).to_be_visible()
        page.get_by_label("Add a folder").fill(str(photos))
        page.get_by_role("button", name="Index").click()
        expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible()  # the run has begun
        other.goto("/library")
        done = f"Photos: {PHOTO_COUNT} new, 1 skipped."
        for each_page in (page, other):
            expect(each_page.get_by_role("status")).to_have_text(done)
            each_page.get_by_text("Damaged or cut short").click()
            expect(each_page.get_by_text("broken.jpg")).to_be_visible()
        search(page)


def test_a_photo_that_is_gone_leaves_its_name(chromium: Browser, weights: Path, photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    index(tmp_path / "library", copy, weights)
    shutil.rmtree(copy)
    with opened(tmp_path / "library", weights) as app, served(app) as address:
        context = chromium.new_context(base_url=address)  # the browser itself complains of the missing pictures
        page = context.new_page()
        search(page)
        expect(page.locator(".photos li").first).to_be_visible()
        assert page.locator(".photos a").first.evaluate("link => link.getBoundingClientRect().height") > 50
        page.locator(".photos a").first.click()
        photo = page.get_by_role("dialog")
        expect(photo.get_by_role("heading", level=1)).to_contain_text(".jpg")
        expect(photo.get_by_text("There is no picture of this photo any more")).to_be_visible()
        expect(photo.get_by_role("note")).to_contain_text("cannot be reached now. Plug in or mount the disk")
        expect(photo.get_by_role("link", name="Download original")).to_have_count(0)
        context.close()
