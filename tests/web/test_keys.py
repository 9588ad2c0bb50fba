"""The keys of every page, in Debian's Chromium."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.engine.libraries import recalibrate
from tests.web.test_browser import CHROMIUM, PHONE, address, chromium, page, search, tab
from web.service import service_of

__all__ = ["address", "chromium", "page"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


def test_a_slash_leads_to_the_search_box_and_a_question_mark_to_the_list_of_keys(page: Page) -> None:
    page.goto("/library")
    page.keyboard.press("/")
    box = page.get_by_role("searchbox")
    expect(box).to_be_focused()
    page.keyboard.type("is it a dog?")
    expect(box).to_have_value("is it a dog?")
    box.blur()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_a_photo_over_the_results_has_the_list_of_keys_too(page: Page) -> None:
    search(page)
    page.wait_for_load_state("load")
    page.locator(".reranked .photos a").first.click()
    page.wait_for_url("**/photos/**")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    assert "/photos/" in page.url, "the photo stays"


def test_who_searches_with_the_keyboard_goes_on_with_it(page: Page) -> None:
    search(page)
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    box = page.get_by_role("searchbox")
    box.fill("a green circle")
    box.press("Enter")
    page.wait_for_url("**green**")
    expect(page.locator(".reranked .photos li").first).to_be_visible()
    expect(box).to_be_focused()


def test_arrows_move_among_the_photos(page: Page) -> None:
    page.set_viewport_size({"width": 700, "height": 700})
    search(page)
    page.wait_for_load_state("load")
    photos = page.locator(".reranked .photos a")
    photos.first.focus()
    page.keyboard.press("ArrowRight")
    expect(photos.nth(1)).to_be_focused()
    before = photos.nth(1).bounding_box()
    page.keyboard.press("ArrowDown")
    below = page.locator(".photos a:focus").bounding_box()
    assert before is not None
    assert below is not None
    assert below["y"] > before["y"]
    page.keyboard.press("ArrowUp")
    assert page.locator(".photos a:focus").bounding_box() == before


@pytest.mark.parametrize("width", [PHONE["width"], 700, 1280])
def test_the_rows_of_the_best_are_full(
    chromium: Browser, address: str, app: Flask, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    recalibrate(service_of(app).engine(), monkeypatch)
    with tab(chromium, address, viewport={"width": width, "height": 800}, reduced_motion="reduce") as page:
        search(page)
        expect(page.locator(".best li").first).to_have_attribute("style", re.compile("flex"))
        boxes = page.locator(".best .photos a").evaluate_all(
            "all => all.map(each => each.getBoundingClientRect().toJSON())"
        )
        edge = page.locator(".best .photos").evaluate("photos => photos.getBoundingClientRect().right")
        rows = {round(box["top"]): box["right"] for box in boxes}
        height = max(box["height"] for box in boxes)
        row = float(page.locator(".best .photos").evaluate("list => parseFloat(getComputedStyle(list).gridAutoRows)"))
        growth = 3 if width == PHONE["width"] else 1.5
        assert all(abs(right - edge) < 2 for right in rows.values()) or height >= 0.99 * growth * row
        assert all(abs(box["width"] / box["height"] - 1) < 0.02 for box in boxes), "this library's photos are squares"
