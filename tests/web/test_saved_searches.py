"""Saved searches: their page without scripts, and the API; recent searches in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, expect
from schemathesis import GenerationMode

from tests.engine.libraries import PHOTO_COUNT
from tests.web.applications import opened, served, token
from tests.web.test_browser import CHROMIUM, PHONE, RULES, chromium, tab
from tests.web.test_contract import ask

__all__ = ["chromium"]


@pytest.fixture
def app(library: Path, weights: Path) -> Iterator[Flask]:
    with opened(library, weights) as app:
        yield app


def test_programs_save_rename_and_delete_searches(app: Flask) -> None:
    client = app.test_client()
    where = "/api/v1/searches"
    assert client.get(where).get_json() == {"searches": []}
    assert client.post(where, json={"name": "Dogs", "q": "a dog type:jpg"}).get_json() == {
        "searches": [{"name": "Dogs", "query": "a dog type:jpg"}]
    }
    assert client.post(where, json={"name": "Cats", "q": "a cat"}).status_code == 200
    renamed = client.patch(where, json={"name": "Dogs", "new_name": "A dog"}).get_json()
    assert [search["name"] for search in renamed["searches"]] == ["A dog", "Cats"]
    assert client.patch(where, json={"name": "A dog", "new_name": "Cats"}).status_code == 400
    assert client.patch(where, json={"name": "Dogs", "new_name": "x"}).status_code == 404
    assert client.delete(where, query_string={"name": "Dogs"}).status_code == 404
    assert client.delete(where, query_string={"name": "A dog"}).get_json() == {
        "searches": [{"name": "Cats", "query": "a cat"}]
    }
    refused = client.post(where, json={"name": "x", "q": "camara:canon"})
    assert (refused.status_code, refused.get_json()["queries"][0]) == (400, "camera:canon")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_every_answer_is_as_documented(app: Flask, method: str, mode: GenerationMode) -> None:
    ask(schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)["/api/v1/searches"][method], mode)


def test_a_form_without_its_token_changes_nothing(app: Flask) -> None:
    client = app.test_client()
    assert client.post("/searches", data={"q": "a dog", "name": "x"}).status_code == 403
    assert client.post("/searches", data={"q": "a dog", "csrf_token": token(client)}).status_code == 302
    assert client.get("/api/v1/searches").get_json() == {"searches": [{"name": "a dog", "query": "a dog"}]}
    missing = client.post("/searches/delete", data={"name": "y", "csrf_token": token(client)})
    assert missing.status_code == 404
    assert "This search is not saved" in missing.text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("scripts", [True, False])
def test_a_person_saves_a_search_and_finds_it_again(chromium: Browser, app: Flask, scripts: bool) -> None:
    with served(app) as address, tab(chromium, address, java_script_enabled=scripts, viewport=PHONE) as page:
        page.goto("/?q=type:jpg")
        page.get_by_role("link", name="Save", exact=True).click()
        page.get_by_role("textbox", name="Save type:jpg as").fill("All my <b>photos</b>")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="All my <b>photos</b>").click()
        expect(page.locator(".reranked .photos li")).to_have_count(PHOTO_COUNT)
        page.get_by_role("link", name="Saved", exact=True).click()
        page.get_by_text("Change").click()
        page.get_by_role("textbox", name="New name of").fill("Photos")
        page.get_by_role("button", name="Rename").click()
        page.get_by_text("Change").click()
        page.get_by_role("button", name="Delete Photos").click()
        expect(page.get_by_role("link", name="Photos", exact=True)).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("link", name="Photos", exact=True)).to_be_visible()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_recent_searches_are_offered_in_the_box_and_can_be_cleared(chromium: Browser, app: Flask) -> None:
    with served(app) as address, tab(chromium, address, viewport=PHONE, reduced_motion="reduce") as page:
        page.goto("/")
        history = page.get_by_role("button", name="History")
        expect(history).to_be_hidden()
        for query in ("type:jpg", "taken:2019", "type:jpg"):
            page.goto(f"/?q={query}")
            expect(history).to_be_visible()
        page.goto("/")
        page.get_by_role("searchbox").press("ArrowDown")
        box: Any = page.get_by_role("dialog", name="History")
        expect(box.get_by_role("link")).to_have_text(["type:jpg", "taken:2019"])
        expect(box.get_by_role("link", name="type:jpg")).to_be_focused()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            result = Axe().run(page, options={"runOnly": RULES})
            assert result.violations_count == 0, result.generate_report()
        page.set_viewport_size({"width": 320, "height": 600})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**2019")
        history.click()
        expect(box.get_by_role("link")).to_have_text(["taken:2019", "type:jpg"])
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        history.click()
        box.get_by_role("button", name="Clear").click()
        expect(history).to_be_hidden()
        assert page.evaluate("localStorage.getItem('pixelseek.recent')") == "[]"
