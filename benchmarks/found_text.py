"""How much of the text in pictures is read, by kind of picture, and what is read where people took ordinary photos.

    python -m benchmarks.found_text [--photos FOLDER]

The pictures are drawn here, with fonts of matplotlib: signs in many sizes, turned, in perspective, dark, blurred;
screenshots and scans. A word counts where it is found exactly, as the filter `text` finds it. With --photos, it lists
what is found in the photos of a folder: judge by eye what of it stands there. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.machine import machine
from indexer.decoding import Failure, read_upright
from indexer.library.found_text import FoundText
from indexer.library.text_analysis import search_words
from indexer.text_reader import prepare_reader, read_text

PICTURES = 20
WORDS = (
    *("EXIT", "STOP", "No Parking", "Main Street", "OPEN 24 HOURS", "Bakery", "Caution Wet Floor", "Platform 9"),
    *("Push", "Happy Birthday", "Hotel Lisboa", "SALE 50%", "Coffee & Tea", "Library", "Danger High Voltage"),
    *("Welcome", "Zimmer frei", "Café Müller", "Boulangerie", "Ausgang"),
)
LINES = (
    *("Meeting moved to Thursday at 10:30", "Your order number is 4711-0815", "Settings > Privacy > Location"),
    *("Total 42.50 EUR", "The quick brown fox jumps over the lazy dog", "Dear Ms Okonkwo, thank you for your letter"),
    *("Invoice 2021-07-14", "Wi-Fi password: sunflower7", "Flight LH1234 Gate B22", "Chapter Three: The Long Voyage"),
)
FONTS = [
    Path(get_data_path(), "fonts", "ttf", f"{name}.ttf")
    for name in (
        *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic"),
        *("STIXGeneral", "STIXGeneralBol"),
    )
]
COLOURS = (("white", "darkgreen"), ("white", "firebrick"), ("black", "ivory"), ("navy", "gold"))
SIGNS: dict[str, dict[str, float]] = {
    **{f"sign, letters of {size} px": {"size": size} for size in (60, 24, 14)},
    **{f"sign, turned by {angle} degrees": {"angle": angle} for angle in (20, 90, 180)},
    "sign in perspective": {"tilt": 0.22},
    "sign in low light": {"light": 0.15},
    "sign, blurred": {"blur": 3.0},
}


def main() -> None:
    """Print the share of words found by kind of picture, and the lines found in photos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    prepare_reader()
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    with tempfile.TemporaryDirectory() as folder:
        for kind, text, picture in pictures():
            picture.save(path := Path(folder, "picture.png"))
            wanted, found = search_words(text), search_words("\n".join(line.text for line in lines_in(path)))
            for place, count in enumerate((len(wanted & found), len(wanted), len(found - wanted))):
                counts[kind][place] += count
    kinds = {
        kind: {"found": found, "words": words, "others": others} for kind, (found, words, others) in counts.items()
    }
    answer = {"machine": machine(), "pictures": kinds}
    if arguments.photos:
        paths, started = sorted(arguments.photos.glob("*.jpg")), time.process_time()
        lines = {path.name: [line.text for line in lines_in(path)] for path in paths}
        seconds = (time.process_time() - started) / max(1, len(paths))
        answer["photos"] = {
            "count": len(paths),
            "cpu_seconds_each": round(seconds, 2),
            "lines": {name: found for name, found in lines.items() if found},
        }
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def lines_in(path: Path) -> list[FoundText]:
    """What the reader finds in the picture at `path`."""
    read = read_upright(str(path), 64)
    assert not isinstance(read, Failure), read
    lines = read_text(str(path), read[1])
    assert not isinstance(lines, Failure), lines
    return lines


def pictures() -> Iterator[tuple[str, str, Image.Image]]:
    """The kind, the text and the picture of each case. The same at every run."""
    for kind, options in SIGNS.items():
        for number, text in enumerate(WORDS[:PICTURES]):
            yield kind, text, sign(text, random.Random(f"{kind} {number}"), **options)
    for number in range(4):
        chance = random.Random(number)
        lines = chance.sample(LINES, 6)
        yield "screenshot", " ".join(lines), page(lines, chance, (1170, 2532), "white", "black", (32, 48))
        yield "screenshot, dark", " ".join(lines), page(lines, chance, (1170, 2532), "#121214", "#e6e6e6", (32, 48))
        yield (
            "screenshot, small letters",
            " ".join(lines),
            page(lines, chance, (1170, 2532), "white", "black", (16, 24)),
        )
        scan = page(LINES, chance, (1654, 2339), "#f4f2ec", "#1e1e1e", (34, 38)).rotate(
            chance.uniform(-2, 2), fillcolor="#f4f2ec", resample=Image.Resampling.BICUBIC
        )
        yield "scan", " ".join(LINES), noisy(scan, 8.0)


def sign(
    text: str,
    chance: random.Random,
    size: float = 60,
    angle: float = 0.0,
    tilt: float = 0.0,
    light: float = 1.0,
    blur: float = 0.0,
) -> Image.Image:
    """A board with the text, somewhere in a picture of 1,200 x 900 pixels that is full of blocks of colour."""
    blocks = np.random.default_rng(chance.randrange(10**6)).integers(60, 220, (6, 8, 3), dtype=np.uint8)
    scene = Image.fromarray(blocks).resize((1200, 900), Image.Resampling.BICUBIC)
    font = ImageFont.truetype(str(chance.choice(FONTS)), size)
    left, top, right, bottom = font.getbbox(text)
    ink, paint = chance.choice(COLOURS)
    margin = size / 3
    board = Image.new("RGBA", (round(right - left + 2 * margin), round(bottom - top + 2 * margin)), paint)
    ImageDraw.Draw(board).text((margin - left, margin - top), text, font=font, fill=ink)
    if tilt:
        width, height = board.size
        shorter = (0, 0, 0, height, width, height * (1 + tilt), width, -height * tilt)  # the right side becomes shorter
        board = board.transform(board.size, Image.Transform.QUAD, shorter, Image.Resampling.BICUBIC)
    board = board.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
    board.thumbnail((1180, 880))
    scene.paste(board, (chance.randrange(1200 - board.width), chance.randrange(900 - board.height)), board)
    if light < 1:
        scene = noisy(scene.point(lambda value: value * light), 8.0)
    return scene.filter(ImageFilter.GaussianBlur(blur)) if blur else scene


def page(
    lines: list[str] | tuple[str, ...],
    chance: random.Random,
    size: tuple[int, int],
    paper: str,
    ink: str,
    letters: tuple[int, int],
) -> Image.Image:
    """Lines of text below each other."""
    sheet = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(sheet)
    for row, line in enumerate(lines):
        font = ImageFont.truetype(str(chance.choice(FONTS)), chance.randint(*letters))
        pen.text((size[0] / 15, 150 + row * letters[1] * 2.5), line, font=font, fill=ink)
    return sheet


def noisy(picture: Image.Image, deviation: float) -> Image.Image:
    """The picture as a poor sensor sees it."""
    noise = np.random.default_rng(1).normal(0, deviation, (picture.height, picture.width, 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
