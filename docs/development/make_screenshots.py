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
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from waitress.server import create_server

from cli.library.demo import copy_samples
from engine.explain import explain_file
from engine.panels import draw_panels
from web import close_app, create_app

DOCS = Path(__file__).parent.parent
PEOPLE = ("astronaut.png", "camera.png")
CUP = "a cup of coffee on a wooden table"
CAT = "a cat looking at the camera"
PICTURES: dict[str, dict[str, Any]] = {
    "web": {"address": "/?q=a cup of coffee on a table", "viewport": {"width": 1100, "height": 640}},
    "why": {"address": f"/?q={CAT}", "viewport": {"width": 1100, "height": 640}, "color_scheme": "dark", "word": "cat"},
    "phone": {"address": "/?q=a motorcycle in a garage", "viewport": {"width": 390, "height": 700}},
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
            options = {key: value for key, value in picture.items() if key not in ("address", "word")}
            page = browser.new_page(base_url=server, reduced_motion="reduce", **options)
            page.goto(picture["address"])
            page.wait_for_selector(".reranked")
            if "word" in picture:
                page.locator(".photos a").first.click()
                page.get_by_role("link", name=picture["word"]).click()
            page.wait_for_load_state("networkidle")
            with Image.open(io.BytesIO(page.screenshot())) as image:
                image.convert("RGB").save(DOCS / f"{name}.webp", quality=80, method=6)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
