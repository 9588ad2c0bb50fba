"""The start page, the first run and the copies as a person meets them, in Debian's Chromium."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, expect

from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.web.applications import opened, served
from tests.web.test_browser import CHROMIUM, PHONE, RULES, address, chromium, tab
from web.service import service_of

__all__ = ["address", "chromium"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_start_page_leads_into_the_library(chromium: Browser, address: str, scripts: bool) -> None:
    with tab(chromium, address, java_script_enabled=scripts, viewport=PHONE, has_touch=True) as page:
        page.goto("/")
        expect(page.get_by_role("region", name="Recent").get_by_role("link")).to_have_count(PHOTO_COUNT)
        page.get_by_role("region", name="Years").get_by_role("link").first.tap()
        expect(page.get_by_role("searchbox")).to_have_value(re.compile(r"taken:\d{4}"))
        expect(page.locator(".reranked .photos li").first).to_be_visible()
        page.go_back()
        page.get_by_role("region", name="Folders").get_by_role("link").first.tap()
        expect(page.get_by_role("searchbox")).to_have_value(re.compile("folder:"))


def test_sentences_to_try_flow_in_and_the_keyboard_reaches_them(
    chromium: Browser, library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.start._MIN_MATCH", 0.0)
    with opened(library, weights) as app, served(app) as address, tab(chromium, address) as page:
        view = service_of(app).view()
        view.annotate(view.photo_ids().tolist()[0], caption=SENTENCE, tags=[])
        page.goto("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        sentence = page.locator(".examples").get_by_role("link", name=SENTENCE)
        expect(sentence).to_be_visible()
        for _ in range(4):
            page.keyboard.press("Tab")
            if sentence.evaluate("link => link === document.activeElement"):
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("searchbox")).to_have_value(SENTENCE)


@pytest.mark.parametrize(("width", "columns"), [(320, 3), (390, 3), (640, 4), (1280, 6)])
def test_the_rows_of_the_start_page_are_full_at_any_width(
    chromium: Browser, address: str, width: int, columns: int
) -> None:
    with tab(chromium, address, viewport={"width": width, "height": 800}) as page:
        page.goto("/")
        tops = page.locator(".tiles li").evaluate_all("tiles => tiles.map(tile => tile.getBoundingClientRect().top)")
        assert {tops.count(top) for top in tops} == {columns}
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_start_page_with_sentences_is_accessible(chromium: Browser, app: Flask, address: str, scheme: Any) -> None:
    del app
    with tab(chromium, address, color_scheme=scheme, viewport=PHONE, reduced_motion="reduce") as page:
        page.goto("/")
        page.locator(".examples").evaluate("""list => {
            const [item, link] = ["li", "a"].map(name => document.createElement(name));
            link.href = "/?q=a+dog";
            link.textContent = "a dog";
            item.append(link);
            list.append(item);
        }""")
        result = Axe().run(page, options={"runOnly": RULES})
        assert result.violations_count == 0, result.generate_report()
