"""What a browser has to load for a page, how soon a person sees photos, and what many searches take of memory.

Each page is opened in a browser that has nothing in its cache: first while no thumbnail of its photos is kept, then
again, and then on a slow phone. After that one person searches on and on.

pip install -e '.[test]' && apt-get install chromium
python -m benchmarks.pages --library LIBRARY
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks.machine import machine
from benchmarks.search import SENTENCES
from benchmarks.serving import ask, await_answer, memory

PAGES = {"start": "/", "results": "/?q=a+dog+on+the+beach", "photo": "/photos/{photo}?q=a+dog+on+the+beach"}
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
"""A phone's network as Lighthouse takes it, and a processor that is four times slower."""
SLOWER = 4
WORDS = ("red", "small", "old", "two", "wet", "young", "happy", "white")
WATCH = """() => {
    window.measured = { lcp: 0, cls: 0 };
    new PerformanceObserver((list) => { for (const entry of list.getEntries()) measured.lcp = entry.startTime; })
        .observe({ type: "largest-contentful-paint", buffered: true });
    new PerformanceObserver((list) => { for (const entry of list.getEntries()) measured.cls += entry.value; })
        .observe({ type: "layout-shift", buffered: true });
}"""
READ = """() => {
    const page = performance.getEntriesByType("navigation")[0];
    const files = performance.getEntriesByType("resource");
    const images = files.filter((file) => file.initiatorType === "img" && file.name.includes("/photos/"));
    const bytes = (some) => some.reduce((sum, file) => sum + file.transferSize, 0) / 1000;
    return {
        requests: files.length + 1,
        page: bytes([page]),
        code: bytes(files.filter((file) => /\\.(css|js|svg)/.test(file.name))),
        photos: bytes(images),
        first_byte: page.responseStart,
        first_photo: Math.min(...images.map((image) => image.responseEnd)),
        complete: page.responseEnd,
        ...measured,
    };
}"""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--searches", type=int, default=1000)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.library / "thumbnails", ignore_errors=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--library", str(arguments.library)]
    server = subprocess.Popen([sys.executable, "-m", "cli", "serve", *options], stderr=subprocess.DEVNULL)
    try:
        await_answer(port)
        table(port)
        growth(port, server.pid, arguments.searches)
    finally:
        server.terminate()
        server.wait()
    print(f"\n{machine()}")


def table(port: int) -> None:
    """What each page loads, without kept thumbnails and with them."""
    print("| page | thumbnails | requests | HTML KB | scripts, styles KB | photos KB | first byte ms | first photo ms "
          "| largest paint ms | layout shift |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        photo = first_photo(browser, port)
        for (name, path), thumbnails in itertools.product(PAGES.items(), ("made now", "kept", "kept, slow phone")):
            values = load(browser, f"http://127.0.0.1:{port}{path.format(photo=photo)}", slow="slow" in thumbnails)
            print(
                f"| {name} | {thumbnails} | {values['requests']} | {values['page']:.0f} | {values['code']:.0f} | "
                f"{values['photos']:.0f} | {values['first_byte']:.0f} | {values['first_photo']:.0f} | "
                f"{values['lcp']:.0f} | {values['cls']:.3f} |",
                flush=True,
            )
        browser.close()


def first_photo(browser: Browser, port: int) -> int:
    """The id of a photo that a search finds."""
    page = browser.new_page()
    answer = page.request.get(f"http://127.0.0.1:{port}/api/v1/search?q=a+dog+on+the+beach&limit=1")
    photo_id = int(answer.json()["hits"][0]["photo_id"])
    page.close()
    return photo_id


def load(browser: Browser, address: str, *, slow: bool) -> dict[str, Any]:
    """Open a page with an empty cache, and read what the browser says of it."""
    context = browser.new_context(viewport=PHONE if slow else LAPTOP, has_touch=slow)  # type: ignore[arg-type]
    page = context.new_page()
    if slow:
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.send("Network.emulateNetworkConditions", SLOW)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(f"({WATCH})()")
    page.goto(address)
    page.wait_for_load_state("networkidle")
    values: dict[str, Any] = page.evaluate(READ)
    context.close()
    return values


def growth(port: int, server: int, searches: int) -> None:
    """The memory of the server before and after many different searches."""
    queries = itertools.cycle(f"{word} {sentence}" for word in WORDS for sentence in SENTENCES)
    print("\n| searches | server's memory MB |\n|---|---|")
    for done in range(searches + 1):
        if done in (0, 10, searches // 10, searches // 2, searches):
            print(f"| {done} | {memory(server):.0f} |", flush=True)
        if done < searches:
            ask(port, next(queries))


if __name__ == "__main__":
    main()
