"""The start page, the first run and the copies as a person meets them, in Debian's Chromium."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, expect

from indexer.indexing import IndexProgress
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.web.applications import opened, served
from tests.web.test_browser import CHROMIUM, PHONE, RULES, address, chromium, tab
from web.indexing import IndexJob
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
        for _ in range(10):
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


@pytest.mark.parametrize("scripts", [True, False])
def test_from_an_empty_home_to_the_first_search(
    chromium: Browser, weights: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scripts: bool
) -> None:
    shutil.copytree(photos, tmp_path / "home" / "Pictures")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("indexer.folder_listing._MOUNTS", ())
    with (
        opened(tmp_path / "library", weights, HOSTS=("localhost", "127.0.0.1")) as app,
        served(app) as address,
        tab(chromium, address, java_script_enabled=scripts, viewport=PHONE, has_touch=True) as page,
    ):
        page.goto("/")
        expect(page.get_by_role("heading", name="Where are your photos?")).to_be_visible()
        page.get_by_role("link", name="All of your home folder").tap()
        page.get_by_role("link", name="Pictures", exact=True).tap()
        expect(page.get_by_role("heading", name="Pictures", exact=True)).to_be_visible()  # home has a button too
        page.wait_for_load_state("load")  # with its style sheets
        button = page.get_by_role("button", name="Index this folder")
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44, "large enough for a finger"
        button.tap()
        expect(page.get_by_role("status")).to_have_text(f"Photos: {PHOTO_COUNT} new, 1 skipped.")
        expect(page.get_by_role("list", name="Photos that were added last").get_by_role("link")).to_have_count(12)
        page.get_by_text("damaged or cut short").tap()
        expect(page.get_by_text("broken.jpg")).to_be_visible()
        page.get_by_role("link", name="Search them").tap()
        page.get_by_role("searchbox", name="Describe a photo").fill(SENTENCE)
        page.get_by_role("button", name="Search").tap()
        expect(page.locator(".reranked .photos li").first).to_be_visible()


def test_the_first_photos_flow_in_and_can_be_searched_while_others_are_read(
    chromium: Browser, weights: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.batches.ENCODED_AT_ONCE", 4)
    monkeypatch.setattr("web.indexing._MIN_PAUSE_S", 0.0)
    note, held, go_on = IndexJob._note, threading.Event(), threading.Event()

    def hold(job: IndexJob, progress: IndexProgress) -> None:
        note(job, progress)
        if progress.done == 10:
            held.set()
            go_on.wait(120)

    monkeypatch.setattr(IndexJob, "_note", hold)
    with (
        opened(tmp_path / "library", weights, ROOTS=[photos]) as app,
        served(app) as address,
        tab(chromium, address) as page,
    ):
        page.goto("/library")
        page.get_by_label("Add a folder").fill(str(photos))
        page.keyboard.press("Enter")
        expect(page.get_by_role("list", name="Photos that were added last").get_by_role("link")).to_have_count(8)
        assert held.wait(120)
        expect(page.get_by_role("status")).to_have_text(re.compile("^10 of 13 files read"))
        page.get_by_role("searchbox", name="Describe a photo").fill(SENTENCE)
        page.keyboard.press("Enter")
        expect(page.locator(".reranked .photos li")).to_have_count(8)
        page.goto("/")
        expect(page.get_by_text("10 of 13 files read")).to_be_visible()
        go_on.set()
        page.get_by_role("link", name="Watch").click()
        expect(page.get_by_role("status")).to_have_text(re.compile("Photos: 12 new"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_a_first_run_are_accessible_and_fit_a_small_screen(
    chromium: Browser, weights: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: Any
) -> None:
    (tmp_path / "home" / "Pictures" / ("long name " * 20)).mkdir(parents=True)
    shutil.copy(photos / "scene 05.jpg", tmp_path / "home" / "Pictures")
    (tmp_path / "home" / "Pictures" / "empty.jpg").touch()
    (tmp_path / "home" / "Pictures" / "film.mp4").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("indexer.folder_listing._MOUNTS", ())
    with (
        opened(tmp_path / "library", weights, HOSTS=("127.0.0.1",)) as app,
        served(app) as address,
        tab(chromium, address, color_scheme=scheme, viewport={"width": 320, "height": 700}) as page,
    ):
        for there in ("/", "/library", "/library/folders", f"/library/folders?at={tmp_path}/home/Pictures", "indexed"):
            if there == "indexed":
                page.get_by_role("button", name="Index this folder").click()
                expect(page.get_by_role("status")).to_have_text(re.compile("Photos: 1 new"))
                page.wait_for_load_state("load")  # with its style sheets
            else:
                page.goto(there)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, there
            result = Axe().run(page, options={"runOnly": RULES})
            assert result.violations_count == 0, f"{there}: {result.generate_report()}"


@pytest.fixture(scope="module")
def stacked(weights: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a library in which one photo is there three times."""
    folder = tmp_path_factory.mktemp("stacked")
    album = shutil.copytree(photos, folder / "album")
    for name in ("again.jpg", "once more.jpg"):
        (album / name).write_bytes((album / "scene 05.jpg").read_bytes() + name.encode())
    index(folder / "library", album, weights)
    with opened(folder / "library", weights) as app, served(app) as address:
        yield address


@pytest.mark.parametrize("scripts", [True, False])
def test_a_stack_opens_by_touch_and_by_keyboard(chromium: Browser, stacked: str, scripts: bool) -> None:
    with tab(chromium, stacked, java_script_enabled=scripts, viewport=PHONE, has_touch=True) as page:
        page.goto(f"/?q={SENTENCE}")
        badge = page.locator(".reranked .stack summary")
        expect(badge).to_have_text(re.compile(r"^\+2\s+nearly the same$"))
        expect(page.locator(".reranked .photos a:visible")).to_have_count(PHOTO_COUNT)
        box = badge.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        badge.tap()
        expect(page.locator(".reranked .photos a:visible")).to_have_count(PHOTO_COUNT + 2)
        width = "element => element.getBoundingClientRect().width"
        row = page.locator(".reranked .photos:has(.stack)")
        assert page.locator(".reranked .stack").evaluate(width) == pytest.approx(row.evaluate(width)), "its own row"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        badge.press("Enter")
        expect(page.locator(".reranked .photos a:visible")).to_have_count(PHOTO_COUNT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_stacks_and_the_page_of_all_copies_are_accessible(chromium: Browser, stacked: str, scheme: Any) -> None:
    with tab(chromium, stacked, color_scheme=scheme, viewport=PHONE, reduced_motion="reduce") as page:
        page.goto("/library")
        page.get_by_role("link", name="All photos that are nearly the same").click()
        expect(page.get_by_role("heading", name="Copies")).to_be_visible()
        expect(page.get_by_text("Pixelseek deletes nothing")).to_be_visible()
        page.wait_for_load_state("load")  # with its style sheets
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert Axe().run(page, options={"runOnly": RULES}).violations_count == 0
        page.goto(f"/?q={SENTENCE}")
        expect(page.locator(".shortlist")).to_have_count(0)
        page.locator(".reranked .stack summary").click()
        result = Axe().run(page, options={"runOnly": RULES})
        assert result.violations_count == 0, result.generate_report()
