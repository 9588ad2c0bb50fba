"""What is in a library at a glance: newest photos, years and folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.library.overview import Overview
from tests.indexer.desk import Desk
from tests.indexer.exif import photo


def overview(desk: Desk, newest: int = 12) -> Overview:
    with desk.open() as library:
        return library.overview(newest=newest)


def names(desk: Desk, photo_ids: list[int]) -> list[str]:
    with desk.open() as library:
        return [Path(record.path).name for record in library.photos(photo_ids)]


@pytest.fixture
def album(desk: Desk) -> Desk:
    photo(desk.photos / "2021" / "new year.jpg", taken="2021:12:31 23:30:00", offset="-08:00")
    photo(desk.photos / "2021" / "party.jpg", taken="2021:07:01 00:30:00")
    photo(desk.photos / "2021" / "bath" / "party again.jpg", taken="2021:07:01 10:00:00")
    photo(desk.photos / "old" / "moon.jpg", taken="1969:07:20 20:17:00")
    photo(desk.photos / os.fsdecode(b"caf\xe9") / "undated.jpg")
    os.utime(desk.photos / os.fsdecode(b"caf\xe9") / "undated.jpg", (0, 0))
    desk.index()
    return desk


def test_the_newest_photos_come_first_and_are_as_many_as_asked_for(album: Desk) -> None:
    assert names(album, overview(album, newest=3).newest) == ["new year.jpg", "party again.jpg", "party.jpg"]


def test_years_come_latest_first_on_the_clock_of_the_place_with_a_cover_of_the_fullest_day(album: Desk) -> None:
    years = [year for year in overview(album).years if year.name != "1970"]
    assert [(year.name, year.photos) for year in years] == [("2021", 3), ("1969", 1)]
    assert "party" in names(album, [years[0].cover])[0]


def test_in_place_of_a_single_folder_stand_the_folders_in_it(album: Desk) -> None:
    folders = overview(album).folders
    assert [(Path(folder.name).name, folder.photos) for folder in folders] == [
        ("2021", 3),
        (os.fsdecode(b"caf\xe9"), 1),
        ("old", 1),
    ]
    for folder in folders:
        with album.open() as library:
            assert library.photo(folder.cover).path.startswith(folder.name + "/"), "the cover lies in the folder"


def test_a_folder_without_folders_stands_for_itself(desk: Desk) -> None:
    photo(desk.photos / "deep" / "deeper" / "a.jpg")
    desk.index()
    assert [folder.name for folder in overview(desk).folders] == [str(desk.photos / "deep" / "deeper")]


def test_files_that_are_gone_and_an_empty_library_leave_nothing(album: Desk, desk: Desk) -> None:
    for path in [*album.photos.rglob("*.jpg")]:
        path.unlink()
    album.index()
    assert overview(desk) == Overview([], [], [])
