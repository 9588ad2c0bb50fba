"""How many photos there are of each month, camera, folder and place."""

from __future__ import annotations

import os

import pytest

from indexer.library.facets import Facets, Place
from indexer.library.filters import Circle, Filters
from tests.indexer.desk import Desk
from tests.indexer.exif import photo

MUNICH, NEAR_MUNICH, VIENNA = (48.137, 11.575), (48.21, 11.62), (48.208, 16.372)
JULY_2021 = (1625097600, 1627776000)


def facets(desk: Desk, **filters: object) -> Facets:
    with desk.open() as library:
        return library.facets(Filters(**filters))  # type: ignore[arg-type]


@pytest.fixture
def album(desk: Desk) -> Desk:
    photo(desk.photos / "2021" / "june.jpg", taken="2021:06:30 23:30:00", offset="-08:00", camera="Pixel 7")
    photo(desk.photos / "2021" / "july.jpg", taken="2021:07:01 00:30:00", camera="Pixel 7", place=MUNICH)
    photo(desk.photos / "2021" / "bath" / "again.jpg", taken="2021:07:09 10:00:00", place=NEAR_MUNICH)
    photo(desk.photos / "old" / "moon.jpg", taken="1969:07:20 20:17:00", camera="Hasselblad", place=VIENNA)
    photo(desk.photos / os.fsdecode(b"caf\xe9") / "undated.jpg")
    desk.index()
    return desk


def test_photos_are_counted_by_the_month_on_the_clock_of_the_place(album: Desk) -> None:
    assert facets(album).months == {"1969-07": 1, "2021-06": 1, "2021-07": 2}


def test_cameras_come_most_photos_first(album: Desk) -> None:
    assert list(facets(album).cameras.items()) == [("Pixel 7", 2), ("Hasselblad", 1)]


def test_a_folder_counts_what_lies_in_folders_inside_it(album: Desk) -> None:
    inside = {os.path.relpath(path, album.photos): count for path, count in facets(album).folders.items()}
    assert inside == {".": 5, "2021": 3, "2021/bath": 1, "old": 1, os.fsdecode(b"caf\xe9"): 1}


def test_photos_of_one_city_are_of_one_place(album: Desk) -> None:
    munich, vienna = facets(album).places
    assert (munich.name, munich.country, munich.photos) == ("Munich, Germany", "Germany", 2)
    assert vienna == Place("Vienna, Austria", "Austria", *VIENNA, photos=1)


def test_what_is_filtered_by_is_counted_as_if_it_were_not(album: Desk) -> None:
    by_camera = facets(album, camera=("pixel",))
    assert by_camera.cameras == {"Pixel 7": 2, "Hasselblad": 1}
    assert by_camera.months == {"2021-06": 1, "2021-07": 1}
    in_july = facets(album, taken=(JULY_2021,))
    assert in_july.months == {"1969-07": 1, "2021-06": 1, "2021-07": 2}
    assert in_july.cameras == {"Pixel 7": 1}
    assert set(in_july.folders.values()) == {2, 1}
    near = facets(album, near=(Circle(*VIENNA, 10),))
    assert len(near.places) == 2
    assert len(facets(album, place=("austria",)).places) == 2
    assert near.cameras == {"Hasselblad": 1}
    in_folder = facets(album, folder=("bath",))
    assert in_folder.months == {"2021-07": 1}
    assert len(in_folder.folders) == 5


def test_photos_that_a_search_cannot_find_are_not_counted(album: Desk) -> None:
    (album.photos / "old" / "moon.jpg").unlink()
    album.index()
    assert "1969-07" not in facets(album).months
    with album.open(generation="another") as library:
        assert library.facets(Filters()) == Facets({}, {}, {}, [])
