from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from indexer.library.errors import FolderMissing, LibraryLocked
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter, RemovalReport
from tests.indexer.desk import Desk, scribble


def remove(desk: Desk, folder: Path) -> RemovalReport:
    with desk.open() as library, LibraryWriter.lock(library) as writer:
        return writer.remove_folder(folder)


@pytest.fixture
def two(desk: Desk, tmp_path: Path) -> Desk:
    """Two folders that share a photo."""
    scribble(desk.photos / "a.png", 1)
    scribble(desk.photos / "b.png", 2)
    (desk.photos / "broken.png").touch()
    (tmp_path / "more").mkdir()
    shutil.copy(desk.photos / "a.png", tmp_path / "more")
    desk.index(desk.photos, tmp_path / "more")
    return desk


def test_the_photos_of_a_removed_folder_are_found_no_more_unless_they_lie_elsewhere(two: Desk) -> None:
    report = remove(two, two.photos)
    assert (report.folder, report.files, report.photos) == (str(two.photos), 3, 1)
    assert two.search("red") == ["a.png"]
    assert (two.photos / "b.png").exists()
    with two.open() as library:
        assert [folder.path for folder in library.status().folders] == [str(two.photos.with_name("more"))]
        assert library.status().failures == []
        assert verify(library) == []
    assert two.index(two.photos.with_name("more")).found == 1


def test_indexed_again_it_is_back_with_what_was_written_and_without_being_encoded(two: Desk) -> None:
    with two.open() as library:
        library.annotate(library.photo_at(two.photos / "b.png").id, caption="kept", tags=[])
    remove(two, two.photos)
    assert two.index(two.photos).encoded == 0
    with two.open() as library:
        assert library.photo_at(two.photos / "b.png").caption == "kept"


def test_a_folder_that_is_away_can_be_removed(two: Desk) -> None:
    two.photos.rename(two.photos.with_name("away"))
    assert remove(two, two.photos).files == 3


def test_only_a_folder_that_was_indexed_can_be_removed(two: Desk) -> None:
    with pytest.raises(FolderMissing, match=r"is not a folder of the library\. Its folders: .*more, .*photos"):
        remove(two, two.photos.parent)
    (two.photos / "inside").mkdir()
    with pytest.raises(FolderMissing, match=r"is a part of .*photos, which the library follows"):
        remove(two, two.photos / "inside")
    assert len(two.search("red")) == 2


def test_another_writer_is_named(two: Desk) -> None:
    with two.open() as library, LibraryWriter.lock(library), pytest.raises(LibraryLocked):
        remove(two, two.photos)
