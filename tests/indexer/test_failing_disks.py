"""Disks that are full, broken or not ours to write, and what is said and lost then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.indexing import index_folders
from indexer.library.errors import LibraryDamaged, LibraryError, LibraryReadOnly
from indexer.library.library import Library
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from tests.indexer.colour_runtime import GENERATION, ColourRuntime, colour_processor
from tests.indexer.crashes import contents, differences
from tests.indexer.desk import Desk, scribble
from tests.indexer.disks import read_only, resize, small_disk

pytestmark = pytest.mark.sqlite

ROOT = Path(__file__).parents[2]
EVERY = 9
"""1 fails every single write, in ten minutes."""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
def test_a_write_that_fails_loses_nothing_and_is_reported_and_the_next_run_continues(tmp_path: Path) -> None:
    disk = tmp_path / "failing_writes.so"
    source = Path(__file__).with_name("failing_writes.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", disk, source, "-ldl"], check=True)
    run = subprocess.run(
        [sys.executable, "-m", "tests.indexer.write_errors", tmp_path, str(EVERY)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(disk)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    cases = [json.loads(line) for line in run.stdout.splitlines()]
    assert {case["error"] for case in cases} == {"ENOSPC", "EIO"}
    assert len(cases) >= 2 * 80 // EVERY
    for case in cases:
        assert (case["lost"], case["wrong"], case["left"]) == ([], [], []), case
        if case["message"] is None:
            continue  # it had only to do with tidying up
        assert case["kind"] == "expected", case
        assert str(tmp_path / "library") in case["message"], case
        assert "\n" not in case["message"]
    assert sum(case["message"] is not None for case in cases) > len(cases) / 2


def test_a_full_disk_stops_indexing_and_with_room_made_it_goes_on(desk: Desk) -> None:
    for seed in range(120):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.library.mkdir()
    with small_disk(desk.library, "240k"):
        with pytest.raises(LibraryError, match=r"disk is full|No space left|disk I/O error"):
            desk.index()
        with desk.open(create=False) as library:
            kept = contents(library)  # it opens and is read, even if there is no room to sweep
        resize(desk.library, "40m")
        with desk.open(create=False) as library:
            assert [problem for problem in verify(library) if "--repair" in problem.message] == []
        desk.index()
        with desk.open() as library:
            assert library.photo_count() == 120
            assert verify(library) == []
            assert kept.keys() <= contents(library).keys()


def test_a_read_only_library_is_searched_and_not_changed(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    with read_only(desk.library):
        assert desk.search("red") == ["a.png"]
        with desk.open(create=False) as library:
            assert verify(library) == []
            assert library.status().photos == 1
            with pytest.raises(LibraryError, match=r"catalog\.sqlite cannot be used: attempt to write"):
                library.annotate(1, caption="a square", tags=[])
        with pytest.raises(LibraryReadOnly, match=r"cannot be written: .*It can be searched"):
            desk.index()
    assert desk.index().unchanged == 1


def test_a_read_only_library_is_backed_up_to_another_disk(desk: Desk, tmp_path: Path) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    (tmp_path / "restored").mkdir()
    with read_only(desk.library), desk.open(create=False) as library:
        library.back_up(tmp_path / "restored" / "catalog.sqlite")
    with Library.open(tmp_path / "restored") as restored:
        assert restored.status().photos == 1


def test_a_backup_for_which_there_is_no_room_is_not_there(desk: Desk, tmp_path: Path) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    place = tmp_path / "stick"
    place.mkdir()
    with small_disk(place, "64k"), desk.open() as library:
        with pytest.raises(LibraryError, match=r"cannot be copied to .*backup: database or disk is full. Is the disk"):
            library.back_up(place / "backup")
        assert list(place.iterdir()) == []


def test_a_damaged_catalog_is_not_backed_up(desk: Desk, tmp_path: Path) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    with desk.open() as library:
        catalog = desk.library / "catalog.sqlite"
        catalog.write_bytes(b"no database" + catalog.read_bytes()[11:])
        with pytest.raises(LibraryDamaged, match=r"catalog\.sqlite is damaged"):
            library.back_up(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_read_only_library_with_commits_that_are_not_in_place_yet_is_not_read_half(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    with desk.open() as library, library.catalog.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM photo").all()
        library.annotate(1, caption="a square", tags=[])  # stays in the log while a reader needs the old state
        copy = shutil.copytree(desk.library, desk.library.with_name("copy"))
    (copy / "catalog.sqlite-shm").unlink()
    with read_only(copy), pytest.raises(LibraryError, match=r"catalog\.sqlite cannot be used"):
        LibraryView.open(copy, generation=GENERATION)
    with LibraryView.open(copy, generation=GENERATION) as library:
        assert library.photos([1])[0].caption == "a square"


def test_a_library_copied_between_two_commits_of_a_run_is_a_library(desk: Desk, tmp_path: Path) -> None:
    for seed in range(200):
        scribble(desk.photos / f"{seed}.png", seed)
    copies: list[Path] = []

    def copy(progress: object) -> None:
        done = getattr(progress, "done", 0)
        if done in (40, 80, 120, 160):
            copies.append(shutil.copytree(desk.library, tmp_path / f"copy-{done}"))

    with desk.open() as library:
        index_folders(
            library, [desk.photos], processor=colour_processor(), load_runtime=ColourRuntime, progress=copy, workers=1
        )
        peaceful = contents(library)
    assert len(copies) == 4
    for path in copies:
        with LibraryView.open(path, generation=GENERATION) as copied:
            assert [problem for problem in verify(copied) if "--repair" in problem.message] == []
            assert 0 < copied.photo_count() < 200
            assert contents(copied).keys() <= peaceful.keys()
        Desk(desk.photos, path).index()
        with LibraryView.open(path, generation=GENERATION) as copied, desk.open() as library:
            assert differences(copied, library) == []
