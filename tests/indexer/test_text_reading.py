"""The text in photos is read after they are encoded: once, in order, and on after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image

from indexer import text_reader
from indexer.decoding import Failure, read_upright
from indexer.indexing import IndexReport, index_folders
from indexer.library import migrations
from indexer.library.filters import Filters
from indexer.library.found_text import FoundText
from indexer.library.settings import change
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from indexer.text_reader import prepare_reader, read_text
from indexer.text_reading import TextReaderBroken, read_texts
from indexer.watching import watch_folders
from indexer.workers import read_in_processes
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk, scribble
from tests.indexer.signs import needs_text, sign

ROOT = Path(__file__).parents[2]
pytestmark = needs_text


def texts(desk: Desk) -> dict[str, list[str]]:
    """The lines in each photo of the library, by its name."""
    with desk.open() as library:
        photos = library.photos(library.photo_ids().tolist())
        return {Path(photo.path).name: [line.text for line in library.found_text(photo.id)] for photo in photos}


def found_by(desk: Desk, *words: str) -> set[str]:
    """The names of the photos that the filter `text` finds."""
    with desk.open() as library:
        photos = library.photos(library.matching(Filters(text=words)).tolist())
    return {Path(photo.path).name for photo in photos}


def test_signs_are_read_once_and_found_by_their_words(desk: Desk) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    sign(desk.photos / "parking.jpg", "No parking", "Coffee and Tea")
    sign(desk.photos / "out.png", "WAY OUT", angle=180)
    scribble(desk.photos / "none.png", 1, size=(400, 300))
    scribble(desk.photos / "icon.png", 2)
    report = desk.index()
    assert (report.added, report.texts_read) == (5, 4), "icons are not read"
    read = texts(desk)
    assert read == {
        "exit.png": ["EXIT"],
        "parking.jpg": ["No parking", "Coffee and Tea"],
        "out.png": ["WAY OUT"],
        "none.png": [],
        "icon.png": [],
    }
    assert desk.index().texts_read == 0
    assert found_by(desk, "exit") == found_by(desk, "ＥＸＩＴ") == {"exit.png"}
    for words in ("no parking", "PARKING", "ＣOFFEE AND tea"):
        assert found_by(desk, words) == {"parking.jpg"}
    assert found_by(desk, "parking no") == found_by(desk, "park") == found_by(desk, "parking coffee") == set()
    assert found_by(desk, "out") == {"out.png"}, "also words that a sentence would leave out"
    assert found_by(desk, "exit", "out") == {"exit.png", "out.png"}
    with desk.open() as library:
        status = library.status()
        assert (status.text_read, status.text_waiting) == (4, 0)
        assert verify(library) == []


def test_each_line_has_its_place_in_the_photo(desk: Desk) -> None:
    sign(desk.photos / "a.png", "ABOVE", "BELOW", size=(800, 400))
    sign(desk.photos / "turned.png", "TURNED", angle=30)
    desk.index()
    with desk.open() as library:
        lines = {
            line.text: np.array(line.box)
            for photo_id in library.photo_ids().tolist()
            for line in library.found_text(photo_id)
        }
        assert all(0.8 <= line.confidence <= 1 for line in library.found_text(1))
    assert lines["ABOVE"].shape == (4, 2)
    assert lines["ABOVE"].mean(axis=0) == pytest.approx([0.5, 1 / 3], abs=0.05)
    assert lines["BELOW"].mean(axis=0) == pytest.approx([0.5, 2 / 3], abs=0.05)
    (left, top), (right, _), (_, bottom), _ = lines["ABOVE"].tolist()
    assert 0 <= left < 0.5 < right <= 1
    assert 0 <= top < 1 / 3 < bottom <= 1
    begin, end = lines["TURNED"][0], lines["TURNED"][1]
    assert begin[1] - end[1] > 0.1, "it rises to the right"


def test_a_photo_lying_on_its_side_is_read_upright(desk: Desk) -> None:
    upright = Image.open(sign(desk.photos / "a.png", "SIDEWAYS"))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right for the eye
    upright.transpose(Image.Transpose.ROTATE_90).save(desk.photos / "a.jpg", exif=exif)
    (desk.photos / "a.png").unlink()
    desk.index()
    assert texts(desk) == {"a.jpg": ["SIDEWAYS"]}


def test_nothing_is_read_where_the_settings_say_so(desk: Desk) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    with desk.open():
        change(desk.library, "read_text", ["false"])
    assert desk.index().texts_read == 0
    with desk.open() as library:
        assert library.status().text_waiting == 1
    change(desk.library, "read_text", ["true"])
    assert desk.index().texts_read == 1
    assert found_by(desk, "exit") == {"exit.png"}


def test_what_an_older_reader_has_read_is_read_again(desk: Desk) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    desk.index()
    desk.execute("UPDATE found_text SET reader = 'older', texts = '[]'")
    desk.execute("DELETE FROM found")
    assert found_by(desk, "exit") == set()
    with desk.open() as library:
        assert (library.status().text_read, library.status().text_waiting) == (0, 1)
    report = desk.index()
    assert (report.texts_read, report.encoded) == (1, 0)
    assert found_by(desk, "exit") == {"exit.png"}


@pytest.mark.sqlite
def test_a_library_of_before_learns_to_read_and_encodes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "HEAD", "0009")
        desk.open().close()
    with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'found%'").fetchall() == []
    assert desk.index().texts_read == 1
    assert list(desk.library.glob(f"catalog-before-{migrations.HEAD}.sqlite"))
    assert found_by(desk, "exit") == {"exit.png"}


def test_photos_that_cannot_be_read_are_kept_with_the_reason_and_not_tried_again(desk: Desk) -> None:
    sign(desk.photos / "a.png", "EXIT")
    sign(desk.photos / "b.png", "ENTER")
    change_after_scan = desk.photos / "c.png"
    sign(change_after_scan, "BEFORE")
    with desk.open() as library:
        change(desk.library, "read_text", ["false"])
    desk.index()
    change(desk.library, "read_text", ["true"])
    sign(change_after_scan, "AFTER", "ALL")
    (desk.photos / "b.png").unlink()
    with desk.open() as library, LibraryWriter.lock(library) as writer:
        assert read_texts(writer, workers=1) == 1
        assert library.status().text_waiting == 2, "the file says nothing of the photo that it held"
        assert read_texts(writer, workers=1) == 0, "who watches the folders waits for other files"
    assert texts(desk)["a.png"] == ["EXIT"]
    desk.index()
    assert texts(desk) == {"a.png": ["EXIT"], "c.png": ["AFTER", "ALL"]}


def test_reading_is_limited_in_time_and_memory(tmp_path: Path) -> None:
    path = sign(tmp_path / "a.png", "EXIT")
    identity = _identity(path)
    requests: Iterable[tuple[object, ...]] = [(str(path), identity)]
    limits = {"time_limit_s": 0.001}, {"memory_limit_bytes": 1}
    for limit, failure in zip(limits, (Failure.TIMED_OUT, Failure.OUT_OF_MEMORY), strict=True):
        results = read_in_processes(read_text, requests, prepare=prepare_reader, workers=1, **limit)  # type: ignore[arg-type]
        assert list(results) == [failure]


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc", Failure.OUT_OF_MEMORY),
        ("bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4718592", Failure.OUT_OF_MEMORY),
        (
            "OpenCV(4.12.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes",
            Failure.OUT_OF_MEMORY,
        ),
        (
            "Traceback (most recent call last):\nnumpy._core._exceptions._ArrayMemoryError: 24.8 MiB",
            Failure.OUT_OF_MEMORY,
        ),
        ("OpenCV(4.12.0) resize.cpp:4152: error: (-215:Assertion failed) !ssize.empty()", Failure.DAMAGED),
    ],
)
def test_errors_of_the_reader_say_whether_memory_was_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, failure: Failure
) -> None:
    def fail(_pixels: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(text_reader, "_engine", fail)
    path = sign(tmp_path / "a.png", "EXIT")
    assert read_text(str(path), _identity(path)) is failure  # type: ignore[arg-type]


@pytest.mark.sqlite
def test_a_crash_of_the_reader_is_kept_as_the_reason(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sign(desk.photos / "a.png", "EXIT")
    monkeypatch.setattr(text_reader, "read_text", _crash)
    assert desk.index().texts_read == 1
    with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection:
        assert connection.execute("SELECT texts, failure FROM found_text").fetchall() == [("[]", str(Failure.CRASHED))]
    assert desk.index().texts_read == 0


def test_a_reader_that_does_not_start_is_an_error_and_no_fault_of_the_photos(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(desk.photos / "a.png", "EXIT")
    with monkeypatch.context() as broken:
        broken.setattr(text_reader, "prepare_reader", _do_not_start)
        with pytest.raises(TextReaderBroken, match="pip install"):
            desk.index()
    with desk.open() as library:
        status = library.status()
    assert (status.photos, status.text_read, status.text_waiting) == (1, 0, 1)
    assert desk.index().texts_read == 1


def _do_not_start() -> None:
    raise ImportError("a library of the system is missing")


def _crash(_path: str, _identity: object) -> list[FoundText]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def _identity(path: Path) -> object:
    read = read_upright(str(path), 100)
    assert not isinstance(read, Failure)
    return read[1]


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk
from indexer import text_reading
from indexer.indexing import index_folders

text_reading._COMMIT_S = 0.0
desk = Desk(Path(sys.argv[1]), Path(sys.argv[2]))
with desk.open() as library:
    index_folders(
        library, [desk.photos], processor=colour_processor(), load_runtime=lambda: desk.runtime, workers=1,
        text_progress=lambda done, total: done == 3 and os.kill(os.getpid(), signal.SIGKILL),
    )
"""


def test_a_killed_run_goes_on_where_it_was(desk: Desk) -> None:
    words = ("ONE", "TWO", "THREE", "FOUR", "FIVE")
    for word in words:
        sign(desk.photos / f"{word.lower()}.png", word)
    command = [sys.executable, "-c", KILLED, str(desk.photos), str(desk.library)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with desk.open() as library:
        status = library.status()
        assert (status.photos, status.waiting) == (5, 0), "all could be found before"
        assert (status.text_read, status.text_waiting) == (3, 2)
        assert verify(library) == []
    assert desk.index().texts_read == 2
    assert sorted(texts(desk).values()) == sorted([word] for word in words)


def test_a_damaged_index_of_found_text_is_noticed_and_repaired(desk: Desk) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    sign(desk.photos / "stop.png", "STOP")
    desk.index()
    desk.execute("UPDATE found SET tokens = 'enter' WHERE tokens = 'exit'")
    desk.execute("INSERT INTO found (rowid, tokens) VALUES (99, 'nothing')")
    with desk.open() as library:
        (problem,) = verify(library)
        assert "2 photos are not found by the text in them" in str(problem)
        with LibraryWriter.lock(library) as writer:
            writer.repair()
        assert verify(library) == []
    assert found_by(desk, "exit") == {"exit.png"}


def test_text_is_read_in_quiet_times_of_watching(desk: Desk) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    reports, stop = list[IndexReport](), Event()

    def watch() -> None:
        with desk.open() as library:
            watch_folders(
                library,
                [desk.photos],
                processor=colour_processor(),
                load_runtime=lambda: desk.runtime,
                indexed=reports.append,
                delayed=lambda _: None,
                stop=stop,
            )

    thread = Thread(target=watch)
    thread.start()
    try:
        for _ in range(1200):
            if reports and found_by(desk, "exit"):
                break
            time.sleep(0.1)
    finally:
        stop.set()
        thread.join()
    assert [(report.added, report.texts_read) for report in reports] == [(1, 0)], "a change does not wait for it"
    assert found_by(desk, "exit") == {"exit.png"}


def test_text_of_a_photo_that_was_moved_is_not_read_again(desk: Desk) -> None:
    sign(desk.photos / "exit.png", "EXIT")
    desk.index()
    shutil.move(desk.photos / "exit.png", desk.photos / "moved.png")
    assert desk.index().texts_read == 0
    assert found_by(desk, "exit") == {"moved.png"}


def test_progress_is_reported(desk: Desk) -> None:
    for number in range(3):
        sign(desk.photos / f"{number}.png", f"Number {number}")
    steps: list[tuple[int, int]] = []
    with desk.open() as library:
        index_folders(
            library,
            [desk.photos],
            processor=colour_processor(),
            load_runtime=lambda: desk.runtime,
            workers=1,
            text_progress=lambda done, total: steps.append((done, total)),
        )
    assert steps == [(1, 3), (2, 3), (3, 3)]
