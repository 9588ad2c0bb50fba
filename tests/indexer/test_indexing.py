from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import delete, update

from indexer import removed_files
from indexer.decoding import Failure
from indexer.indexing import IndexProgress, IndexReport, index_folders
from indexer.library.catalog import photo_table, setting_table
from indexer.library.defaults import recorded_weights
from indexer.library.errors import FolderMissing, LibraryLocked, LibraryReencoded, PatternRefused
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from tests.indexer.colour_runtime import COLOURS, GENERATION, ColourRuntime, colour_processor
from tests.indexer.desk import Desk, paint, scribble


def counts(report: IndexReport) -> dict[str, int]:
    """What is not zero."""
    names = ("found", "added", "changed", "moved", "unchanged", "failed", "removed", "encoded")
    sums = report.added + report.changed + report.moved + report.unchanged + report.failed
    assert report.found == sums
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def ids_by_name(desk: Desk, generation: str = GENERATION) -> dict[str, int]:
    with desk.open(generation=generation) as library:
        ids, _ = library.shortlist(np.ones(32, dtype=np.float32), 1000)
        return {Path(photo.path).name: photo.id for photo in library.photos(ids.tolist())}


def test_photos_are_found_by_what_they_show(desk: Desk) -> None:
    for colour in COLOURS:
        paint(desk.photos / "deep" / "er" / f"{colour}.png", colour)
    assert counts(desk.index()) == {"found": 6, "added": 6, "encoded": 6}
    for colour in COLOURS:
        assert desk.search(colour)[0] == f"{colour}.png"


def test_a_second_run_encodes_nothing_and_loads_no_model(desk: Desk) -> None:
    for seed in range(3):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()

    def refuse() -> object:
        raise AssertionError("the model was loaded")

    with desk.open() as library:
        report = index_folders(library, [desk.photos], processor=colour_processor(), load_runtime=refuse)  # type: ignore[arg-type]
    assert counts(report) == {"found": 3, "unchanged": 3}


def test_new_photos_are_added_and_the_rest_left_alone(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    scribble(desk.photos / "b.png", 2)
    assert counts(desk.index()) == {"found": 2, "added": 1, "unchanged": 1, "encoded": 1}


def test_the_same_bytes_in_two_places_are_one_photo(desk: Desk) -> None:
    first = scribble(desk.photos / "a.png", 1)
    shutil.copy(first, desk.photos / "b.png")
    assert counts(desk.index()) == {"found": 2, "added": 2, "encoded": 1}
    shutil.copy(first, desk.photos / "c.png")
    assert counts(desk.index()) == {"found": 3, "added": 1, "unchanged": 2}
    with desk.open() as library:
        status = library.status()
    assert (status.photos, status.locations) == (1, 3)
    assert desk.search("red") == ["a.png"]


def test_a_moved_photo_keeps_its_id_and_is_not_encoded_again(desk: Desk) -> None:
    path = scribble(desk.photos / "a.png", 1)
    desk.index()
    before = ids_by_name(desk)["a.png"]
    (desk.photos / "holidays").mkdir()
    path.rename(desk.photos / "holidays" / "b.png")
    assert counts(desk.index()) == {"found": 1, "moved": 1}
    assert ids_by_name(desk) == {"b.png": before}
    assert desk.runtime.photos_encoded == 1


def test_a_touched_photo_is_unchanged(desk: Desk) -> None:
    path = scribble(desk.photos / "a.png", 1)
    desk.index()
    os.utime(path, (1, 1))
    assert counts(desk.index()) == {"found": 1, "unchanged": 1}
    with desk.open() as library:
        assert verify(library) == []


def test_a_photo_edited_in_place_is_another_photo(desk: Desk) -> None:
    path = scribble(desk.photos / "a.png", 1)
    desk.index()
    before = ids_by_name(desk)["a.png"]
    scribble(path, 2)
    os.utime(path, (2, 2))
    assert counts(desk.index()) == {"found": 1, "changed": 1, "encoded": 1}
    assert ids_by_name(desk)["a.png"] != before


def test_a_deleted_photo_is_hidden_and_comes_back_without_being_encoded(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    path = scribble(desk.photos / "b.png", 2)
    desk.index()
    before = ids_by_name(desk)["b.png"]
    content = path.read_bytes()
    path.unlink()
    assert counts(desk.index()) == {"found": 1, "unchanged": 1, "removed": 1}
    assert desk.search("red") == ["a.png"]
    with desk.open() as library:
        assert (library.photo_count(), library.status().hidden) == (1, 1)
    path.write_bytes(content)
    assert counts(desk.index()) == {"found": 2, "added": 1, "unchanged": 1}
    assert ids_by_name(desk)["b.png"] == before


def test_unreadable_photos_are_noted_with_a_reason_and_tried_again_only_when_they_change(desk: Desk) -> None:
    good = scribble(desk.photos / "good.png", 1)
    (desk.photos / "empty.jpg").touch()
    (desk.photos / "words.jpg").write_text("no photo at all, only words")
    (desk.photos / "cut.png").write_bytes(good.read_bytes()[:-30])
    Image.new("1", (20_000, 10_000)).save(desk.photos / "bomb.png")
    assert counts(desk.index()) == {"found": 5, "added": 1, "failed": 4, "encoded": 1}
    with desk.open() as library:
        status = library.status()
    assert status.failed == 4
    assert {Path(path).name: reason for path, reason in status.failures} == {
        "empty.jpg": Failure.EMPTY,
        "words.jpg": Failure.NOT_A_PHOTO,
        "cut.png": Failure.DAMAGED,
        "bomb.png": Failure.TOO_MANY_PIXELS,
    }
    assert counts(desk.index()) == {"found": 5, "unchanged": 1, "failed": 4}
    scribble(desk.photos / "empty.jpg", 5)
    assert counts(desk.index()) == {"found": 5, "changed": 1, "unchanged": 1, "failed": 3, "encoded": 1}


@pytest.mark.parametrize("seconds", [10_413_792_000, 2**40, -(2**40), 0])
def test_a_time_far_away_costs_neither_the_photo_nor_its_batch(desk: Desk, seconds: int) -> None:
    scribble(desk.photos / "a.png", 1)
    os.utime(scribble(desk.photos / "b.png", 2), (seconds, seconds))
    assert counts(desk.index()) == {"found": 2, "added": 2, "encoded": 2}
    assert counts(desk.index()) == {"found": 2, "unchanged": 2}
    with desk.open() as library:
        assert verify(library) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_any_legal_name_is_indexed_and_found(desk: Desk) -> None:
    names = ["grüße 写真.png", "new\nline.png", os.fsdecode(b"caf\xe9.png")]
    for seed, name in enumerate(names):
        scribble(desk.photos / name, seed)
    desk.index()
    assert sorted(desk.search("red")) == sorted(names)
    with desk.open() as library:
        assert verify(library) == []


def test_a_file_that_grows_while_it_is_read_is_left_for_the_next_run(desk: Desk) -> None:
    paths = [paint(desk.photos / f"{number:03}.bmp", "red", size=(4, 4 + number)) for number in range(80)]

    def grow(progress: IndexProgress) -> None:
        if progress.done == 1:  # scanned, and too far down the list to have been read
            paths[-1].write_bytes(paths[-1].read_bytes() + b"more")

    with desk.open() as library:
        report = index_folders(
            library, [desk.photos], processor=colour_processor(), load_runtime=lambda: desk.runtime, progress=grow
        )
    assert counts(report) == {"found": 80, "added": 79, "failed": 1, "encoded": 79}
    assert counts(desk.index()) == {"found": 80, "changed": 1, "unchanged": 79, "encoded": 1}


def test_progress_is_reported_for_every_photo(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    (desk.photos / "b.jpg").touch()
    progress: list[IndexProgress] = []
    with desk.open() as library:
        index_folders(
            library,
            [desk.photos],
            processor=colour_processor(),
            load_runtime=lambda: desk.runtime,
            progress=progress.append,
        )
    assert progress == [IndexProgress(1, 2, 0), IndexProgress(2, 2, 1)]


class TestGenerations:
    def test_another_takes_the_place_of_the_first_when_it_is_complete(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        before = ids_by_name(desk)
        with desk.open(generation="other") as library:
            assert (library.photo_count(), library.status().waiting) == (0, 1)
            assert not library.encodings.path.exists()
            assert not library.is_current()
        assert counts(desk.index(generation="other")) == {"found": 1, "unchanged": 1, "encoded": 1}
        with desk.open(generation="other") as library:
            assert library.is_current()
            assert library.photo_count() == 1
            assert verify(library) == []
        assert ids_by_name(desk, "other") == before
        made = {path.name.split(".")[0] for path in desk.library.iterdir() if "-" in path.name}
        assert made == {"encodings-other", "index-other"}

    def test_it_encodes_every_folder_whichever_is_named(self, desk: Desk, tmp_path: Path) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(tmp_path / "more" / "b.png", 2)
        desk.index()
        report = desk.index(tmp_path / "more", generation="other")
        assert (report.encoded, report.added, report.waiting) == (2, 1, 0)

    def test_it_waits_for_the_photos_of_a_disk_that_is_away(self, desk: Desk, tmp_path: Path) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(tmp_path / "disk" / "b.png", 2)
        desk.index(desk.photos, tmp_path / "disk")
        (tmp_path / "disk").rename(tmp_path / "away")
        report = desk.index(generation="other")
        assert (report.encoded, report.waiting, report.offline) == (1, 1, [str(tmp_path / "disk")])
        with desk.open() as library:
            assert library.is_current()
            assert library.photo_count() == 2
        (tmp_path / "away").rename(tmp_path / "disk")
        assert desk.index(generation="other").waiting == 0
        with desk.open(generation="other") as library:
            assert library.is_current()

    def test_an_ordinary_run_in_between_keeps_what_it_has_encoded(self, desk: Desk, tmp_path: Path) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(tmp_path / "disk" / "b.png", 2)
        desk.index(desk.photos, tmp_path / "disk")
        (tmp_path / "disk").rename(tmp_path / "away")
        desk.index(generation="other")
        desk.index()
        (tmp_path / "away").rename(tmp_path / "disk")
        assert desk.index(generation="other").encoded == 1

    def test_a_process_with_the_first_one_open_does_not_bring_it_back(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as watching:
            desk.index(generation="other")
            with pytest.raises(LibraryReencoded, match=r"1 photos .* were encoded by other weights meanwhile"):
                index_folders(watching, [], processor=colour_processor(), load_runtime=ColourRuntime, workers=1)

    def test_files_that_were_left_by_a_process_killed_after_the_change_are_deleted(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        (desk.library / "encodings-older.sqlite").touch()
        (desk.library / "index-older.faiss").touch()
        desk.index()
        assert not list(desk.library.glob("*-older.*"))

    def test_the_first_of_a_library_answers_from_its_first_photo_on(self, desk: Desk) -> None:
        with desk.open() as library:
            assert library.is_current()
            with LibraryWriter.lock(library) as writer:
                writer.begin_generation("weights")
        with desk.open(generation="other") as library:
            assert not library.is_current()
            with LibraryWriter.lock(library) as writer:
                assert not writer.begin_generation("others")  # nothing is lost: there is no photo yet
            assert library.is_current()
        assert recorded_weights(desk.library) == "others"

    def test_a_library_from_before_it_was_written_down_is_that_of_its_photos(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as library, library.catalog.begin() as connection:
            connection.execute(delete(setting_table).where(setting_table.c.name == "generation"))
        with desk.open() as library, desk.open(generation="other") as other:
            assert (library.is_current(), other.is_current()) == (True, False)


def test_metadata_is_read_anew_when_a_photo_is_decoded_again(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    scribble(desk.photos / "b.png", 2, size=(50, 20))
    desk.index()
    with desk.open() as library, library.catalog.begin() as connection:
        connection.execute(update(photo_table).values(width=1, title="of an older version"))
    desk.index(generation="other")
    with desk.open() as library:
        photos = library.photos([1, 2])
    assert [(photo.width, photo.height, photo.title) for photo in photos] == [(40, 30, None), (50, 20, None)]


class TestFolders:
    def test_a_folder_that_never_was_is_an_error(self, desk: Desk) -> None:
        with pytest.raises(FolderMissing, match="nowhere does not exist"):
            desk.index(desk.photos, desk.photos / "nowhere")

    def test_an_entry_that_cannot_be_looked_at_is_not_an_error_of_its_folder(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(desk.photos / "sub" / "b.png", 2)
        desk.index()
        (desk.photos / "sub").rename(desk.photos.with_name("elsewhere"))
        (desk.photos / "sub").symlink_to("sub")
        report = desk.index()
        assert counts(report) == {"found": 1, "unchanged": 1}, "what lies below is unknown, not gone"
        assert (report.offline, report.not_read) == ([], [])
        assert report.unreadable == [(str(desk.photos / "sub"), os.strerror(errno.ELOOP))]
        assert sorted(desk.search("red")) == ["a.png", "b.png"]

    @pytest.mark.parametrize("member", ["a loop", "a name that is too long", "below a loop"])
    def test_a_named_folder_that_cannot_be_read_is_reported_and_the_others_are_indexed(
        self, desk: Desk, member: str
    ) -> None:
        scribble(desk.photos / "a.png", 1)
        loop = desk.photos.with_name("loop")
        loop.symlink_to("loop")
        bad = {"a loop": loop, "a name that is too long": desk.photos / ("n" * 300), "below a loop": loop / "x"}[member]
        report = desk.index(bad, desk.photos)
        assert counts(report) == {"found": 1, "added": 1, "encoded": 1}
        assert [path for path, _ in report.not_read] == [str(bad)]
        with desk.open() as library:
            assert [folder.path for folder in library.status().folders] == [str(desk.photos)]
        assert counts(desk.index(bad)) == {}, "not every folder of the library instead"

    def test_a_part_that_cannot_be_read_leaves_its_folder_online(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scribble(desk.photos / "sub" / "a.png", 1)
        desk.index()
        real = os.scandir

        def guarded(path: Path) -> object:
            if Path(path).name == "sub":  # a permission would not stop the tests' root
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return real(path)

        monkeypatch.setattr(os, "scandir", guarded)
        report = desk.index(desk.photos / "sub")
        assert report.not_read == [(str(desk.photos / "sub"), "Permission denied")]
        assert report.offline == []
        assert desk.search("red") == ["a.png"]

    def test_a_disk_that_is_pulled_out_while_it_is_read_is_not_a_deletion(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = scribble(desk.photos / "a.png", 1)
        real_ismount, real_scandir = os.path.ismount, os.scandir
        mounted = True
        monkeypatch.setattr(
            os.path, "ismount", lambda place: real_ismount(place) or (mounted and Path(place) == desk.photos)
        )
        desk.index()

        def pulled_out(place: Path) -> object:
            nonlocal mounted
            mounted = False
            path.unlink(missing_ok=True)
            return real_scandir(place)

        monkeypatch.setattr(os, "scandir", pulled_out)
        report = desk.index()
        assert report.offline == [str(desk.photos)]
        assert report.removed == 0
        assert desk.search("red") == ["a.png"]

    def test_a_folder_inside_one_that_is_away_is_away_too(self, desk: Desk) -> None:
        scribble(desk.photos / "sub" / "a.png", 1)
        desk.index()
        desk.photos.rename(desk.photos.with_name("away"))
        report = desk.index(desk.photos / "sub")
        assert report.offline == [str(desk.photos)]
        assert [path for path, _ in report.not_read] == [str(desk.photos / "sub")]
        assert desk.search("red") == ["a.png"]

    def test_a_file_is_no_folder(self, desk: Desk) -> None:
        with pytest.raises(FolderMissing, match="is not a folder"):
            desk.index(scribble(desk.photos / "a.png", 1))

    def test_a_folder_that_is_away_keeps_its_photos(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        desk.photos.rename(desk.photos.with_name("away"))
        report = desk.index()
        assert report.offline == [str(desk.photos)]
        assert counts(report) == {}
        with desk.open() as library:
            (photo,) = library.photos(library.encodings.photo_ids().tolist())
            assert not photo.online
            assert [folder.online for folder in library.status().folders] == [False]
        desk.photos.with_name("away").rename(desk.photos)
        assert counts(desk.index()) == {"found": 1, "unchanged": 1}
        with desk.open() as library:
            assert [folder.online for folder in library.status().folders] == [True]

    def test_an_empty_place_where_a_disk_was_mounted_is_not_a_deletion(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = scribble(desk.photos / "a.png", 1)
        real = os.path.ismount
        with monkeypatch.context() as plugged:
            plugged.setattr(os.path, "ismount", lambda place: Path(place) == desk.photos or real(place))
            desk.index()
        path.unlink()
        assert desk.index().offline == [str(desk.photos)]
        assert desk.search("red") == ["a.png"]

    def test_a_folder_emptied_by_hand_is_a_deletion(self, desk: Desk) -> None:
        path = scribble(desk.photos / "a.png", 1)
        desk.index()
        path.unlink()
        assert counts(desk.index()) == {"removed": 1}

    def test_without_folders_every_known_one_is_brought_in_step(self, desk: Desk, tmp_path: Path) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(tmp_path / "more" / "b.png", 2)
        desk.index(desk.photos, tmp_path / "more")
        scribble(desk.photos / "c.png", 3)
        with desk.open() as library:
            report = index_folders(library, [], processor=colour_processor(), load_runtime=lambda: desk.runtime)
        assert counts(report) == {"found": 3, "added": 1, "unchanged": 2, "encoded": 1}

    def test_a_folder_inside_a_known_one_is_a_part_of_it(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        scribble(desk.photos / "new" / "b.png", 2)
        scribble(desk.photos / "c.png", 3)
        assert counts(desk.index(desk.photos / "new")) == {"found": 1, "added": 1, "encoded": 1}
        with desk.open() as library:
            assert [folder.path for folder in library.status().folders] == [str(desk.photos)]
        assert counts(desk.index(desk.photos, desk.photos / "new")) == {
            "found": 3, "added": 1, "unchanged": 2, "encoded": 1,
        }  # fmt: skip

    def test_a_folder_around_a_known_one_takes_it_over(self, desk: Desk) -> None:
        scribble(desk.photos / "inner" / "deep" / "a.png", 1)
        scribble(desk.photos / "b.png", 2)
        desk.index(desk.photos / "inner")
        assert counts(desk.index(desk.photos)) == {"found": 2, "added": 1, "unchanged": 1, "encoded": 1}
        with desk.open() as library:
            assert [(folder.path, folder.locations) for folder in library.status().folders] == [(str(desk.photos), 2)]
            assert verify(library) == []


def test_one_writer_at_a_time_and_readers_do_not_wait(desk: Desk) -> None:
    scribble(desk.photos / "a.png", 1)
    desk.index()
    with desk.open() as library, LibraryWriter.lock(library):
        with pytest.raises(LibraryLocked, match=f"is being written by process {os.getpid()} on "):
            desk.index()
        assert desk.search("red") == ["a.png"]


class TestLeavingOut:
    def test_files_left_out_later_are_hidden_and_come_back_with_what_was_written(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(desk.photos / "drafts" / "b.png", 2)
        desk.index()
        with desk.open() as library:
            library.annotate(ids_by_name(desk)["b.png"], caption="a boat", tags=[])
        assert counts(desk.index(exclude=["drafts"])) == {"found": 1, "unchanged": 1, "removed": 1}
        assert desk.search("red") == ["a.png"]
        assert counts(desk.index()) == {"found": 1, "unchanged": 1}, "kept with the folder"
        assert counts(desk.index(include=["drafts"])) == {"found": 2, "added": 1, "unchanged": 1}
        assert desk.runtime.photos_encoded == 2
        with desk.open() as library:
            assert library.photo_at(desk.photos / "drafts" / "b.png").caption == "a boat"
            (folder,) = library.status().folders
        assert (folder.exclude, folder.include) == (["drafts"], ["drafts"])

    def test_a_pattern_given_anew_takes_the_place_of_the_old_ones(self, desk: Desk) -> None:
        for name in ("a.png", "b.bmp"):
            paint(desk.photos / name, "red" if name == "a.png" else "blue")
        assert desk.index(exclude=["*.png"]).added == 1
        assert desk.search("red") == ["b.bmp"]
        desk.index(exclude=["*.bmp"])
        assert desk.search("red") == ["a.png"]
        desk.index(exclude=[""])
        assert sorted(desk.search("red")) == ["a.png", "b.bmp"]

    def test_a_part_has_the_patterns_of_its_folder(self, desk: Desk) -> None:
        scribble(desk.photos / "x" / "a.png", 1)
        scribble(desk.photos / "x" / "drafts" / "b.png", 2)
        desk.index(exclude=["drafts"])
        assert counts(desk.index(desk.photos / "x")) == {"found": 1, "unchanged": 1}
        report = desk.index(desk.photos / "x" / "drafts")
        assert (counts(report), report.left_out) == ({}, [str(desk.photos / "x" / "drafts")])
        with pytest.raises(PatternRefused, match="is a part of"):
            desk.index(desk.photos / "x", exclude=["*.png"])

    def test_a_folder_around_one_keeps_its_patterns(self, desk: Desk) -> None:
        scribble(desk.photos / "x" / "drafts" / "a.png", 1)
        scribble(desk.photos / "drafts" / "b.png", 2)
        desk.index(desk.photos / "x", exclude=["drafts"])
        desk.index(desk.photos)
        assert desk.search("red") == ["b.png"]

    def test_without_folders_the_patterns_are_for_every_known_one(self, desk: Desk, tmp_path: Path) -> None:
        scribble(desk.photos / "a.png", 1)
        scribble(tmp_path / "more" / "b.png", 2)
        desk.index(desk.photos, tmp_path / "more")
        with desk.open() as library:
            index_folders(
                library, [], processor=colour_processor(), load_runtime=lambda: desk.runtime, exclude=["*.png"]
            )
            assert library.photo_count() == 0

    def test_what_is_passed_over_is_counted_as_it_is_now(self, desk: Desk) -> None:
        for name in ("a.mp4", "x/b.mp4", "x/c.pdf", "y/d.pdf"):
            (desk.photos / name).parent.mkdir(exist_ok=True)
            (desk.photos / name).write_bytes(b"bytes")
        desk.index()

        def passed_over() -> dict[str, int]:
            with desk.open() as library:
                return library.status().passed_over

        assert passed_over() == {".mp4": 2, ".pdf": 2}
        (desk.photos / "x" / "b.mp4").unlink()
        (desk.photos / "y" / "d.pdf").unlink()
        desk.index(desk.photos / "x")
        assert passed_over() == {".pdf": 2, ".mp4": 1}, "only that part was looked at"
        desk.index()
        assert passed_over() == {".mp4": 1, ".pdf": 1}
        with desk.open() as library, LibraryWriter.lock(library) as writer:
            writer.remove_folder(desk.photos)
        assert passed_over() == {}


class TestHeirs:
    def test_a_photo_deleted_and_written_anew_keeps_what_was_written_about_it(self, desk: Desk) -> None:
        self.write_anew(desk)
        assert self.caption(desk) == "a boat"

    def test_also_when_it_was_met_half_written_before(self, desk: Desk) -> None:
        path = self.captioned(desk)
        path.write_bytes(path.read_bytes()[:50])
        desk.index()
        path.unlink()
        desk.index()
        scribble(path, 2)
        desk.index()
        assert self.caption(desk) == "a boat"

    def test_a_whole_folder_written_anew(self, desk: Desk) -> None:
        path = self.captioned(desk)
        path.parent.rename(desk.photos.with_name("elsewhere"))
        desk.photos.mkdir()
        desk.index()
        scribble(path, 2)
        desk.index()
        assert self.caption(desk) == "a boat"

    def test_a_file_that_comes_long_after_is_another(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(removed_files, "REPLACED_WITHIN_S", -5)
        self.write_anew(desk)
        assert self.caption(desk) is None

    @pytest.mark.parametrize("name", ["archive/a.png", "letter.png"])
    def test_a_file_in_the_place_of_one_that_was_moved_is_another(self, desk: Desk, name: str) -> None:
        path = self.captioned(desk)
        (desk.photos / name).parent.mkdir(exist_ok=True)
        path.rename(desk.photos / name)
        desk.index()
        scribble(path, 2)
        desk.index()
        assert self.caption(desk) is None
        with desk.open() as library:
            assert library.photo_at(desk.photos / name).caption == "a boat"

    def captioned(self, desk: Desk) -> Path:
        path = scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as library:
            library.annotate(library.photo_at(path).id, caption="a boat", tags=[])
        return path

    def write_anew(self, desk: Desk) -> None:
        path = self.captioned(desk)
        path.unlink()
        desk.index()
        scribble(path, 2)
        desk.index()

    def caption(self, desk: Desk) -> str | None:
        with desk.open() as library:
            return library.photo_at(desk.photos / "a.png").caption


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's names and special files")
def test_a_hostile_folder_costs_no_photo(desk: Desk) -> None:
    names = ["new\nline.png", os.fsdecode(b"caf\xe9.png"), "-rf.png", "a\\b.png", "\u202egnp.png", " .png"]
    names.append("x" * 251 + ".png")
    for seed, name in enumerate(names):
        scribble(desk.photos / name, seed)
    os.mkfifo(desk.photos / "pipe.jpg")
    (desk.photos / "zero.jpg").touch()
    (desk.photos / "device.jpg").symlink_to("/dev/zero")
    (desk.photos / "memory.jpg").symlink_to("/proc/self/mem")
    (desk.photos / "loop.jpg").symlink_to("loop.jpg")
    (desk.photos / "up").symlink_to("..")
    (desk.photos / "one").symlink_to("two")
    (desk.photos / "two").symlink_to("one")
    (desk.photos / "folder.jpg").mkdir()
    with (desk.photos / "holes.jpg").open("wb") as file:
        file.truncate(2**40)
    report = desk.index()
    assert report.added == len(names)
    assert {Path(path).name for path, _ in report.unreadable} == {"loop.jpg", "one", "two"}
    assert desk.index().unchanged == len(names)
    with desk.open() as library:
        assert {Path(path).name for path, _ in library.status().failures} == {"zero.jpg", "memory.jpg", "holes.jpg"}
        assert verify(library) == []


def test_a_folder_replaced_by_a_file_and_a_file_by_a_folder_are_followed(desk: Desk) -> None:
    scribble(desk.photos / "x.png" / "a.png", 1)
    scribble(desk.photos / "y.png", 2)
    desk.index()
    shutil.rmtree(desk.photos / "x.png")
    scribble(desk.photos / "x.png", 3)
    (desk.photos / "y.png").unlink()
    scribble(desk.photos / "y.png" / "b.png", 4)
    desk.index()
    assert sorted(desk.search("red")) == ["b.png", "x.png"]
