"""The text in a photo on its page: lines, and over the photo, where a person can select it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, expect

from indexer.library.found_text import FoundText, store_found_text
from indexer.library.library import Library
from tests.web.applications import opened, served
from tests.web.test_browser import CHROMIUM, RULES, chromium, tab
from web.found_text import laid_out

__all__ = ["chromium"]
LINES = [
    FoundText("EXIT", 0.99, [[0.1, 0.2], [0.6, 0.2], [0.6, 0.4], [0.1, 0.4]]),
    FoundText("<script>alert(1)</script> & more", 0.9, [[0.1, 0.9], [0.1, 0.5], [0.3, 0.5], [0.3, 0.9]]),
]


@pytest.fixture
def reading(library: Path, weights: Path, photos: Path) -> Iterator[tuple[Flask, int]]:
    """The application, and the id of a photo with text in it."""
    with Library.open(library) as written, written.catalog.begin() as connection:
        photo_id = written.photo_at(photos / "scene 05.jpg").id
        store_found_text(connection, {photo_id: LINES}, {})
    with opened(library, weights) as app:
        yield app, photo_id


def test_a_line_lies_where_its_corners_are() -> None:
    upright, turned = laid_out(LINES, 1000, 500)
    assert (upright.x, upright.angle, upright.length, upright.height) == (100.0, 0.0, 500.0, 100.0)
    assert 150 < upright.y < 200, "the baseline is above the lower edge"
    assert upright.outline == "100.0,100.0 600.0,100.0 600.0,200.0 100.0,200.0"
    assert (turned.angle, turned.length, turned.height) == (-90.0, 200.0, 200.0)
    (point,) = laid_out([FoundText("x1", 0.9, [[0.5, 0.5]] * 4)], 10, 10)
    assert (point.length, point.height) == (1.0, 1.0)


def test_the_page_has_the_lines_and_no_script_of_theirs(reading: tuple[Flask, int]) -> None:
    app, photo_id = reading
    client = app.test_client()
    page = client.get(f"/photos/{photo_id}").text
    assert "Text in the photo" in page
    assert "<p>EXIT</p>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<script>alert" not in page
    other = next(hit["photo_id"] for hit in _all(client) if hit["photo_id"] != photo_id)
    assert "Text in the photo" not in client.get(f"/photos/{other}").text


def _all(client: object) -> list[dict[str, int]]:
    hits: list[dict[str, int]] = client.get("/api/v1/search?q=type:jpg").get_json()["hits"]  # type: ignore[attr-defined]
    return hits


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_text_is_selected_on_the_photo(reading: tuple[Flask, int], chromium: Browser) -> None:
    app, photo_id = reading
    with served(app) as address, tab(chromium, address, viewport={"width": 390, "height": 844}) as page:
        page.goto(f"/photos/{photo_id}")
        page.get_by_text("Select it on the photo").click()
        text = page.locator("svg text", has_text="EXIT")
        expect(text).to_be_visible()
        box, photo = text.bounding_box(), page.locator("svg image").bounding_box()
        assert box is not None
        assert photo is not None
        assert box["x"] == pytest.approx(photo["x"] + 0.1 * photo["width"], abs=3)
        assert box["width"] == pytest.approx(0.5 * photo["width"], abs=3)
        text.click(click_count=3)
        assert page.evaluate("getSelection().toString().trim()") == "EXIT"
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width == 0
        options = {"runOnly": {"type": "tag", "values": RULES}}
        assert Axe().run(page, options=options).response["violations"] == []
