"""Make the pictures of the pages in these documents, and of an explanation, from sample photos in which nobody is seen.

pip install -e '.[demo,test]' && apt-get install chromium
python docs/development/make_screenshots.py
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from waitress.server import create_server

from cli.library.demo import copy_samples
from engine.explain import explain_file
from engine.panels import draw_panels
from web import close_app, create_app

DOCS = Path(__file__).parent.parent
PEOPLE = ("astronaut.png", "camera.png")
CUP = "a cup of coffee on a wooden table"
CAT = "a cat looking at the camera"
WIDE, PHONE = {"width": 1100, "height": 680}, {"width": 390, "height": 700}


@dataclass(frozen=True)
class Picture:
    """A page, and what is done on it before its picture is taken."""

    address: str
    viewport: dict[str, int] = field(default_factory=lambda: WIDE)
    scheme: str = "light"
    act: Callable[[Page], None] = lambda _: None


def open_first(page: Page) -> None:
    """Open the first photo found."""
    page.locator(".reranked .photos a").first.click()
    page.get_by_role("dialog").get_by_text("Why it matched").wait_for()


def explain_cat(page: Page) -> None:
    """Show where the cat is seen."""
    open_first(page)
    page.get_by_role("dialog").get_by_role("link", name="cat").click()
    page.locator(".heat").wait_for()


def select_some(page: Page) -> None:
    """Select three photos."""
    for place in (0, 1, 2):
        page.locator(".reranked .photos li").nth(place).hover()
        page.locator(".reranked .pick").nth(place).click()


def choose_when(page: Page) -> None:
    """Open the filters of dates."""
    page.get_by_role("button", name="When").click()
    page.get_by_role("button", name="Done").wait_for()


PICTURES = {
    "start": Picture("/"),
    "web": Picture("/?q=a cup of coffee on a table"),
    "photo": Picture(f"/?q={CAT}", scheme="dark", act=open_first),
    "why": Picture(f"/?q={CAT}", scheme="dark", act=explain_cat),
    "select": Picture("/?q=a motorcycle", act=select_some),
    "filters": Picture("/?q=a motorcycle", act=choose_when),
    "phone": Picture("/?q=a motorcycle in a garage", viewport=PHONE),
}


def main() -> None:
    """Write each as WebP."""
    with tempfile.TemporaryDirectory() as temporary:
        photos = copy_samples(Path(temporary) / "photos")
        for name in PEOPLE:
            (photos / name).unlink()
        explained = explain_file(photos / "coffee.png", CUP)
        draw_panels(explained).save(DOCS / "explain.webp", quality=80, method=6)
        library = Path(temporary) / "library"
        subprocess.run([sys.executable, "-m", "cli", "index", photos, "--library", library], check=True)
        app = create_app({"LIBRARY": library})
        server: Any = create_server(app, host="127.0.0.1", port=0)
        threading.Thread(target=server.run, daemon=True).start()
        take(f"http://127.0.0.1:{server.effective_port}")
        close_app(app)


def take(server: str) -> None:
    """Look at each page and take its picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, picture in PICTURES.items():
            page = browser.new_page(
                base_url=server,
                reduced_motion="reduce",
                viewport=picture.viewport,  # type: ignore[arg-type]
                color_scheme=picture.scheme,  # type: ignore[arg-type]
            )
            page.goto(picture.address)
            page.wait_for_load_state("networkidle")
            picture.act(page)
            page.wait_for_load_state("networkidle")
            with Image.open(io.BytesIO(page.screenshot())) as image:
                image.convert("RGB").save(DOCS / f"{name}.webp", quality=80, method=6)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
