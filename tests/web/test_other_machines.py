"""The pages from another machine, in Chromium: over plain HTTP, and behind a proxy with and without TLS.

A browser trusts this machine's address on the network no more than another machine's: there, as here, it sends `Origin:
null` and no `Sec-Fetch-Site` over plain HTTP.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, HttpCredentials, expect

from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.web.applications import opened, served
from tests.web.proxies import proxied, self_signed
from tests.web.test_browser import CHROMIUM, DROP, chromium, search, tab
from web.access import set_password

__all__ = ["chromium"]

PASSWORD = "correct horse"
KNOWN = HttpCredentials(username="anyone", password=PASSWORD)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def outer() -> str:
    """The address of this machine on its network."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
            unsent.connect(("192.0.2.1", 9))
            return str(unsent.getsockname()[0])
    except OSError:
        pytest.skip("this machine has no address but localhost's")


@pytest.fixture(params=["plain HTTP", "HTTP proxy", "TLS proxy"])
def elsewhere(
    request: pytest.FixtureRequest, outer: str, library: Path, weights: Path, photos: Path, tmp_path: Path
) -> Iterator[str]:
    """The address of a server with a password, for other machines."""
    set_password(library, PASSWORD)
    with ExitStack() as stack:
        if request.param == "plain HTTP":
            app = stack.enter_context(opened(library, weights, ROOTS=[photos]))
            yield stack.enter_context(served(app, host=outer))
            return
        if request.param == "TLS proxy" and shutil.which("openssl") is None:
            pytest.skip("openssl is not installed: apt-get install openssl")
        certificate = self_signed(tmp_path) if request.param == "TLS proxy" else None
        app = stack.enter_context(opened(library, weights, ROOTS=[photos], HOSTS=["localhost"]))
        yield stack.enter_context(proxied(stack.enter_context(served(app)), outer, certificate))


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_every_form_works_from_another_machine(chromium: Browser, elsewhere: str, photos: Path, scripts: bool) -> None:
    with tab(chromium, elsewhere, java_script_enabled=scripts, http_credentials=KNOWN) as page:
        search(page)
        page.locator(".reranked .photos a").first.click()
        page.get_by_text("Experimental").click()
        box = page.get_by_role("textbox", name="Ask about this photo")
        box.fill("what color is the circle?")
        box.press("Enter")
        expect(page.get_by_role("status").get_by_role("listitem")).to_have_count(3)
        page.get_by_label("And with").fill(SENTENCE)
        page.get_by_role("button", name="Find more").click()
        expect(page.locator(".photos li")).to_have_count(PHOTO_COUNT - 1)

        page.get_by_role("link", name="Search by photo").click()
        for another in (False, True):
            if another:
                page.get_by_role("link", name="Another photo").click()
            page.get_by_label("A photo", exact=True).set_input_files(photos / "scene 03.jpg")
            page.get_by_label("Words").fill(SENTENCE)
            page.get_by_role("button", name="Find similar photos").click()
            expect(page.get_by_role("heading", name="Photos similar to yours")).to_be_visible()
            expect(page.locator(".photos a .unseen")).to_have_count(PHOTO_COUNT - 1)
        if scripts:
            for event in ("drop", "paste"):
                page.goto("/library")
                page.evaluate(DROP, [event, list((photos / "scene 03.jpg").read_bytes())])
                expect(page.get_by_role("heading", name="Photos similar to yours")).to_be_visible()

        page.goto("/library")
        page.get_by_label("Add a folder").fill(str(photos))
        page.get_by_role("button", name="Index").click()
        status, done = page.get_by_role("status"), f"Photos: {PHOTO_COUNT} unchanged, 1 skipped."
        while not scripts and status.inner_text() != done:
            page.wait_for_timeout(200)
            page.reload()
        expect(status).to_have_text(done)


def test_a_form_of_another_site_is_refused(chromium: Browser, elsewhere: str) -> None:
    context = chromium.new_context(base_url=elsewhere, http_credentials=KNOWN)
    page = context.new_page()
    page.goto("/")  # from now on the browser sends the password by itself
    expect(page.get_by_role("searchbox")).to_be_visible()
    for path in ("/library/index", "/similar", "/api/v1/index"):
        page.set_content(f'<form method="post" action="{elsewhere}{path}"><button>Win a prize</button></form>')
        with page.expect_response(f"{elsewhere}{path}") as sent:
            page.get_by_role("button").click()
        assert sent.value.status == 403, path
        page.goto("about:blank")
    context.close()


def test_whoever_does_not_know_the_password_stays_outside(chromium: Browser, elsewhere: str) -> None:
    context = chromium.new_context(base_url=elsewhere)
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        context.new_page().goto("/library")
    context.close()
    wrong = HttpCredentials(username="anyone", password="wrong password")
    context = chromium.new_context(base_url=elsewhere, http_credentials=wrong)
    answer = context.new_page().goto("/library")
    assert answer is not None
    assert answer.status == 401
    context.close()
