"""Words are taught in the browser: by mouse and keys, with undo, on a phone, and without scripts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.engine.libraries import PHOTO_COUNT
from tests.web.applications import hits, opened, served
from tests.web.test_browser import CHROMIUM, PHONE, RULES, chromium, search, tab
from web.service import service_of

__all__ = ["chromium"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
ODD_NAME = 'Omas <b>Häuschen</b> & 東京 "🐶"'


@pytest.fixture(scope="module")
def app(indexed: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    library = shutil.copytree(indexed, tmp_path_factory.mktemp("teaching") / "library")
    with pytest.MonkeyPatch.context() as patch:
        # The untrained weights of the tests take all photos for much alike: here only the same picture is.
        patch.setattr("engine.teaching._TOO_ALIKE", 0.9999)
        with opened(library, weights) as app:
            yield app


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    hits(app.test_client())  # the first search loads the network
    with served(app) as address:
        yield address


@pytest.fixture
def word(app: Flask) -> Iterator[str]:
    """The address of a word that three photos show."""
    view = service_of(app).view()
    word = view.teach_word("Rex")
    view.answer(word.id, view.photo_ids().tolist()[:3], shown=True)
    yield f"/teach/{word.id}"
    view.delete_taught_word(word.id, keep_tags=False)


def counts(app: Flask) -> tuple[int, int]:
    (word,) = (word for word in service_of(app).view().taught_words() if word.name == "Rex")
    return len(word.shown), len(word.not_shown)


def cards(page: Page, count: int) -> list[str]:
    """The photos that are asked about, as soon as there are `count`."""
    all_cards = page.locator(".cards > li")
    expect(all_cards).to_have_count(count)
    photos: list[str] = all_cards.evaluate_all("all => all.map(card => card.dataset.photo)")
    return photos


def expect_cards(page: Page, photos: list[str]) -> None:
    """Wait until these photos are asked about, in this order: a press may load a new page first."""
    all_cards = page.locator(".cards > li")
    expect(all_cards).to_have_count(len(photos))
    for place, photo in enumerate(photos):
        expect(all_cards.nth(place)).to_have_attribute("data-photo", photo)


def test_photos_are_answered_by_mouse_and_keys_and_each_answer_is_undone(
    chromium: Browser, address: str, app: Flask, word: str
) -> None:
    with tab(chromium, address) as page:
        page.goto(word)
        page.wait_for_load_state("load")
        first = cards(page, PHOTO_COUNT - 3)
        status = page.locator("#told").get_by_role("status")
        page.get_by_role("button", name="Yes").first.click()
        expect(page.get_by_role("heading", name="Yes, this is Rex 4")).to_be_visible()
        expect_cards(page, first[1:])
        expect(status).to_contain_text(": yes.")
        expect(page.locator(".cards [name=yes]").first).to_be_focused()
        page.keyboard.press("n")
        expect(page.get_by_role("heading", name="No, this is not Rex 1")).to_be_visible()
        expect(page.locator(f"#photo-{first[2]} a")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.locator(f"#photo-{first[3]} a")).to_be_focused()
        page.keyboard.press("s")
        expect(status).to_contain_text(": skipped.")
        expect_cards(page, [first[2], *first[4:]])
        assert counts(app) == (4, 1)
        for _ in range(2):  # the skip and the no
            page.keyboard.press("u")
        expect(page.get_by_role("heading", name="No, this is not Rex")).to_have_count(0)
        expect_cards(page, first[1:])
        expect(page.locator(f"#photo-{first[1]} a")).to_be_focused()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("heading", name="Yes, this is Rex 3")).to_be_visible()
        expect_cards(page, first)
        expect(page.get_by_role("button", name="Undo")).to_be_hidden()
        assert counts(app) == (3, 0)
        for photo in first:
            page.keyboard.press("n")
            expect(page.locator(f".cards #photo-{photo}")).to_have_count(0)
        expect(page.get_by_text("There is no photo left to ask about.")).to_be_visible()
        expect(page.get_by_role("heading", name=f"No, this is not Rex {PHOTO_COUNT - 3}")).to_be_visible()
        page.locator("#known").get_by_role("button", name="does not show Rex").first.click()
        expect(page.locator(".cards > li")).to_have_count(1)
        page.keyboard.press("u")
        expect(page.get_by_role("heading", name=f"No, this is not Rex {PHOTO_COUNT - 3}")).to_be_visible()
        page.locator("summary", has_text="Rename").click()
        page.get_by_role("button", name="Rename").click()
        expect(status).to_have_text("Nothing has changed.")
        expect(page).to_have_url(address + word)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("where a photo is asked about")


def test_an_answer_that_does_not_arrive_is_not_lost_unseen(chromium: Browser, address: str, word: str) -> None:
    context = chromium.new_context(base_url=address)  # the browser itself complains of the lost request
    page = context.new_page()
    page.goto(word)
    page.wait_for_load_state("load")
    first = cards(page, PHOTO_COUNT - 3)
    page.route("**/answers", lambda route: route.abort())
    page.locator(".cards [name=no]").first.click()
    expect(page.locator("#told").get_by_role("status")).to_contain_text("The server does not answer: nothing was saved")
    expect_cards(page, first)  # the card is back
    context.close()


def test_a_word_of_any_name_is_begun_from_selected_photos_and_taught_without_scripts(
    chromium: Browser, address: str
) -> None:
    with tab(chromium, address, java_script_enabled=False, viewport=PHONE) as page:
        search(page)
        for place in (0, 1, 2):
            page.locator(".reranked .pick").nth(place).click()
        page.get_by_role("button", name="Teach a word").click()
        expect(page.get_by_text("These 3 photos show it")).to_be_visible()
        page.get_by_label("A new word").fill(ODD_NAME)
        page.get_by_role("button", name="Teach", exact=True).click()
        expect(page.get_by_role("heading", name=ODD_NAME, exact=True)).to_be_visible()
        first = cards(page, PHOTO_COUNT - 3)
        page.get_by_role("button", name="Yes").first.click()
        expect(page.locator(".cards > li")).to_have_count(len(first) - 1)
        page.get_by_role("button", name="Undo").click()
        expect_cards(page, first)
        page.get_by_role("button", name="Skip").first.click()
        expect_cards(page, first[1:])
        page.locator("summary", has_text="Rename").click()
        page.get_by_label("New name").fill("Häuschen")
        page.get_by_role("button", name="Rename").click()
        expect(page.get_by_role("heading", name="Häuschen", exact=True)).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        page.locator("summary", has_text="Delete").click()
        page.get_by_role("button", name="Delete with the tags").click()
        expect(page.get_by_text(f"{ODD_NAME} is deleted.")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("heading", name=ODD_NAME, exact=True)).to_be_visible()


def test_the_pages_are_accessible_at_any_width(chromium: Browser, address: str, app: Flask, word: str) -> None:
    view = service_of(app).view()
    every = view.photo_ids().tolist()
    begun = view.teach_word("W" * 100)
    view.answer(begun.id, every[:1], shown=True)
    view.answer(begun.id, every[1:2], shown=False)
    looks: tuple[tuple[Any, int], ...] = (("light", 1280), ("dark", 320))
    with tab(chromium, address, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        for there in ("/teach", word, f"/teach/{begun.id}?like=a+dog", f"/photos/{every[0]}?q=Rex", "/?q=Rex"):
            for scheme, width in looks:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.set_viewport_size({"width": width, "height": 800})
                page.goto(there)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, there
                result = Axe().run(page, options={"runOnly": RULES})
                assert result.violations_count == 0, f"{there}: {result.generate_report()}"
            small = page.locator("main button:visible, .words a:visible").evaluate_all(
                "all => all.filter(each => each.getBoundingClientRect().height < 43.5).map(each => each.outerHTML)"
            )
            assert small == [], there
    view.delete_taught_word(begun.id, keep_tags=False)
