from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from indexer import notifications, watching
from indexer.indexing import IndexReport
from indexer.library.errors import FolderMissing, LibraryError
from indexer.library.file_version import file_version
from indexer.library.generations import index_path
from indexer.library.locking import writer_lock
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.watching import watch_folders
from tests.indexer.colour_runtime import GENERATION, colour_processor
from tests.indexer.desk import Desk, paint, scribble
from tests.indexer.exif import xmp_packet
from tests.indexer.servers import PostgresqlServer

PATIENCE_S = 60
ROOT = Path(__file__).parents[2]
QUIET_S = 0.25


@pytest.fixture(autouse=True)
def _short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is reported after a shorter silence than in earnest, for which the tests would only wait."""
    monkeypatch.setattr(notifications, "_QUIET_S", QUIET_S)


class Watcher:
    """A library that is being watched over in a thread."""

    def __init__(self, desk: Desk, *folders: Path, exclude: Sequence[str] | None = None) -> None:
        self.reports: list[IndexReport] = []
        self.delays: list[LibraryError] = []
        self._desk, self._folders, self._stop = desk, folders, Event()
        self._exclude = exclude
        self._thread = Thread(target=self._watch)

    def _watch(self) -> None:
        with self._desk.open() as library:
            watch_folders(
                library,
                self._folders,
                processor=colour_processor(),
                load_runtime=lambda: self._desk.runtime,
                exclude=self._exclude,
                indexed=self.reports.append,
                delayed=self.delays.append,
                stop=self._stop,
            )

    def wait_for(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, self.reports
            assert self._thread.is_alive()
            time.sleep(0.05)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            self.wait_for(lambda: len(self.reports) > 0)
            yield
        finally:
            self._stop.set()
            self._thread.join()


@pytest.mark.scale
@pytest.mark.parametrize("catalog", ["postgresql"], indirect=True)
def test_a_server_with_the_catalog_that_goes_away_is_waited_for(desk: Desk, server: PostgresqlServer) -> None:
    scribble(desk.photos / "a.png", 1)
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        server.kill()
        try:
            scribble(desk.photos / "b.png", 2)
            watcher.wait_for(lambda: len(watcher.delays) > 0)
        finally:
            server.start()
        watcher.wait_for(lambda: sum(report.added for report in watcher.reports) == 2)
    assert "cannot be reached" in str(watcher.delays[0])


def test_what_changes_is_indexed_and_what_is_new_is_found_by_a_library_that_is_open(desk: Desk) -> None:
    paint(desk.photos / "red.png", "red")
    watcher = Watcher(desk, desk.photos)
    with watcher.running(), desk.open() as reader:

        def names() -> list[str]:
            return sorted(Path(photo.path).name for photo in reader.photos(reader.photo_ids().tolist()))

        assert names() == ["red.png"]
        paint(desk.photos / "deep" / "er" / "blue.png", "blue")
        watcher.wait_for(lambda: names() == ["blue.png", "red.png"])
        (desk.photos / "deep" / "er").rename(desk.photos / "elsewhere")
        watcher.wait_for(lambda: watcher.reports[-1].moved == 1)
        shutil.rmtree(desk.photos / "elsewhere")
        watcher.wait_for(lambda: names() == ["red.png"])
        scribble(desk.photos / "red.png", 1)
        watcher.wait_for(lambda: watcher.reports[-1].changed == 1)
    with desk.open() as library:
        assert verify(library) == []


def test_an_xmp_file_beside_a_photo_is_a_change(desk: Desk) -> None:
    paint(desk.photos / "red.png", "red")
    watcher = Watcher(desk, desk.photos)
    with watcher.running(), desk.open() as reader:
        packet = xmp_packet(elements="<dc:description><rdf:Alt><rdf:li>The lake</rdf:li></rdf:Alt></dc:description>")
        (desk.photos / "red.xmp").write_bytes(packet)
        watcher.wait_for(lambda: reader.photos(reader.photo_ids().tolist())[0].description == "The lake")


def test_changes_that_come_together_are_indexed_together(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_QUIET_S", 1.0)
    new = [scribble(tmp_path / "new" / f"{seed}.png", seed) for seed in range(20)]
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        for path in new:
            path.rename(desk.photos / path.name)
            time.sleep(0.02)
        watcher.wait_for(lambda: sum(report.added for report in watcher.reports) == 20)
    assert len(watcher.reports) <= 3


def test_without_folders_the_known_ones_are_watched(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "away").mkdir()
    desk.index(desk.photos, tmp_path / "more", tmp_path / "away")
    (tmp_path / "away").rmdir()
    watcher = Watcher(desk)
    with watcher.running():
        assert watcher.reports[0].offline == [str(tmp_path / "away")]
        paint(tmp_path / "more" / "red.png", "red")
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)


def test_hidden_files_other_files_and_the_library_itself_are_no_change(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "photos", tmp_path / "photos" / "library")
    desk.photos.mkdir()
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        for name in ("notes.txt", ".hidden.png", ".trash/a.png", "library/thumbnail.png"):
            (desk.photos / name).parent.mkdir(exist_ok=True)
            (desk.photos / name).write_bytes(b"bytes")
        time.sleep(6 * QUIET_S)
        assert len(watcher.reports) == 1
        paint(desk.photos / "red.png", "red")
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)


def test_while_another_process_writes_changes_wait(desk: Desk) -> None:
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        with writer_lock(desk.library):
            paint(desk.photos / "red.png", "red")
            watcher.wait_for(lambda: len(watcher.delays) > 0)
            assert len(watcher.reports) == 1
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_text_is_indexed_too(desk: Desk) -> None:
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        paint(desk.photos / os.fsdecode(b"caf\xe9.png"), "red")
        watcher.wait_for(lambda: sum(report.added for report in watcher.reports) == 1)
        paint(desk.photos / "blue.png", "blue")
        watcher.wait_for(lambda: sum(report.added for report in watcher.reports) == 2)


def test_now_and_then_everything_is_compared(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_WHOLE_PASS_S", 1.0)
    scribble(desk.photos / "a.png", 1)
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        watcher.wait_for(lambda: len(watcher.reports) >= 3)
    assert [report.found for report in watcher.reports] == [1] * len(watcher.reports)


def test_changes_that_never_end_are_indexed_all_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_MAX_WAIT_S", 2.0)
    monkeypatch.setattr(notifications, "_QUIET_S", 1.0)
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        for seed in range(1000):
            scribble(desk.photos / f"{seed}.png", seed)
            time.sleep(0.02)
            if watcher.reports[-1].added:
                break
        assert watcher.reports[-1].added


class TestTheIndexFile:
    """is written whole: not for each photo."""

    @pytest.fixture
    def watcher(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Watcher:
        monkeypatch.setattr(watching, "_MAX_NEWER", 3)
        for seed in range(5):
            scribble(desk.photos / f"{seed}.png", seed)
        desk.index()
        return Watcher(desk, desk.photos)

    def test_it_stays_while_few_photos_are_newer_and_they_are_found_all_the_same(
        self, desk: Desk, watcher: Watcher
    ) -> None:
        with desk.open() as reader:
            before = file_version(index_path(reader.path, reader.generation))
            with watcher.running():
                for more in range(3):
                    scribble(desk.photos / f"more-{more}.png", 100 + more)
                    watcher.wait_for(lambda more=more: reader.photo_count() == 6 + more)  # type: ignore[misc]
                    assert file_version(index_path(reader.path, reader.generation)) == before
                    assert reader.status().index_covers == 5
                paint(desk.photos / "red.png", "red")
                paint(desk.photos / "blue.png", "blue")
                watcher.wait_for(lambda: reader.status().index_covers >= 9)
                assert file_version(index_path(reader.path, reader.generation)) != before

    def test_at_the_end_it_covers_all(self, desk: Desk, watcher: Watcher) -> None:
        with watcher.running():
            scribble(desk.photos / "more.png", 100)
            watcher.wait_for(lambda: watcher.reports[-1].added == 1)
        with desk.open() as library:
            assert library.status().index_fresh
            assert verify(library) == []

    def test_at_the_end_another_writer_is_not_waited_for(self, desk: Desk, watcher: Watcher) -> None:
        with watcher.running():
            scribble(desk.photos / "more.png", 100)
            watcher.wait_for(lambda: watcher.reports[-1].added == 1)
            lock = writer_lock(desk.library)
            lock.__enter__()
        lock.__exit__(None, None, None)
        with desk.open() as library:
            assert not library.status().index_fresh
            assert library.photo_count() == 6

    def test_in_a_pause_it_is_written_once(self, desk: Desk, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "_PAUSE_S", 0.5)
        with watcher.running(), desk.open() as reader:
            scribble(desk.photos / "more.png", 100)
            watcher.wait_for(lambda: reader.status().index_covers == 6)
            written = file_version(index_path(reader.path, reader.generation))
            time.sleep(1.5)
            assert file_version(index_path(reader.path, reader.generation)) == written


def test_there_must_be_a_folder_to_watch(desk: Desk) -> None:
    with desk.open(generation=GENERATION) as library, pytest.raises(FolderMissing, match="no folder to watch"):
        watch(library, desk, desk.photos / "nowhere")
    with desk.open() as library, pytest.raises(FolderMissing, match="no folder to watch: name one"):
        watch(library, desk)


def watch(library: LibraryView, desk: Desk, *folders: Path) -> None:
    watch_folders(
        library,
        folders,
        processor=colour_processor(),
        load_runtime=lambda: desk.runtime,
        indexed=lambda _: None,
        delayed=lambda _: None,
    )


def watch_with_limit(tmp_path: Path, limit: str, number: int) -> dict[str, Any]:
    """What `tests.indexer.blind` says where the system has so few watches or watchers for it."""
    allow = f'echo {number} > /proc/sys/user/max_inotify_{limit} && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", allow, "sh"]
    if sys.platform != "linux" or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here")
    run = subprocess.run(
        [*command, sys.executable, "-m", "tests.indexer.blind", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    outcome: dict[str, Any] = json.loads(run.stdout)
    return outcome


@pytest.mark.parametrize(("limit", "number"), [("instances", 0), ("watches", 0), ("watches", 3), ("watches", 9)])
def test_if_the_system_has_no_watches_left_a_warning_is_logged_and_folders_are_compared(
    tmp_path: Path, limit: str, number: int
) -> None:
    outcome = watch_with_limit(tmp_path, limit, number)
    assert outcome["added"] == 3, "in old folders and in new ones"
    (line,) = outcome["log"]
    assert "the system cannot tell of all changes" in line
    assert "fs.inotify.max_user_watches" in line
    assert outcome["cores"] < 0.5, "it rests between"


def test_a_folder_that_another_takes_the_place_of_is_watched_on(desk: Desk) -> None:
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        desk.photos.rename(desk.photos.with_name("old"))
        desk.photos.mkdir()
        scribble(desk.photos / "a.png", 1)
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)
        scribble(desk.photos / "b.png", 2)
        watcher.wait_for(lambda: watcher.reports[-1].added == 1 and watcher.reports[-1].found == 2)


def test_a_folder_that_comes_back_is_watched_on(desk: Desk) -> None:
    (desk.photos / "x").mkdir()
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        desk.photos.rename(desk.photos.with_name("away"))
        time.sleep(6 * QUIET_S)
        runs = len(watcher.reports)
        desk.photos.with_name("away").rename(desk.photos)
        watcher.wait_for(lambda: len(watcher.reports) > runs)
        scribble(desk.photos / "x" / "a.png", 1)
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)


def test_a_folder_named_through_a_link_and_with_dots_is_watched(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(desk.photos)
    watcher = Watcher(desk, tmp_path / "link" / "x" / "..")
    with watcher.running():
        scribble(desk.photos / "a.png", 1)
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)


def test_an_entry_that_cannot_be_looked_at_does_not_blind_the_watch(desk: Desk) -> None:
    (desk.photos / "x").symlink_to("x")
    watcher = Watcher(desk, desk.photos)
    with watcher.running():
        assert [path for path, _ in watcher.reports[0].unreadable] == [str(desk.photos / "x")]
        scribble(desk.photos / "a.png", 1)
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)


def test_what_is_left_out_is_no_change(desk: Desk) -> None:
    watcher = Watcher(desk, desk.photos, exclude=["drafts"])
    with watcher.running():
        (desk.photos / "app").mkdir()
        (desk.photos / "app" / ".nomedia").touch()
        (desk.photos / "@eaDir").mkdir()
        (desk.photos / "drafts").mkdir()
        scribble(desk.photos / "b.png", 2)
        watcher.wait_for(lambda: watcher.reports[-1].found == 1)  # and so all before it is known
        runs = len(watcher.reports)
        for folder in ("@eaDir", "drafts", "app"):
            scribble(desk.photos / folder / "a.png", 1)
        time.sleep(6 * QUIET_S)
        assert len(watcher.reports) == runs
        scribble(desk.photos / "c.png", 3)
        watcher.wait_for(lambda: watcher.reports[-1].found == 2)


@pytest.mark.parametrize("backup", ["a~.png", "a.png.bak", "a_original.png", None])
def test_a_photo_renamed_away_and_written_anew_keeps_what_was_written_about_it(desk: Desk, backup: str | None) -> None:
    path = scribble(desk.photos / "a.png", 1)
    watcher = Watcher(desk, desk.photos)
    with watcher.running(), desk.open() as library:
        library.annotate(library.photo_at(path).id, caption="a boat", tags=["sea"])
        if backup is None:
            path.unlink()
        else:
            path.rename(path.with_name(backup))
        watcher.wait_for(lambda: watcher.reports[-1].removed + watcher.reports[-1].moved == 1)
        scribble(path, 2)
        watcher.wait_for(lambda: watcher.reports[-1].added == 1)
        photo = library.photo_at(path)
        assert (photo.caption, photo.tags) == ("a boat", ["sea"])
