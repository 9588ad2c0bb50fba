from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import update

from indexer.library.catalog import folder_table, location_table, photo_table
from indexer.library.filters import NO_FILTERS, Circle, Filters, matching_photos
from tests.indexer.desk import Desk
from tests.indexer.exif import photo

MUNICH, VIENNA, SUVA, APIA = (48.137, 11.575), (48.208, 16.372), (-18.14, 178.44), (-13.83, -171.77)


def seconds(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


def matching_names(desk: Desk, filters: Filters) -> list[str]:
    with desk.open() as library:
        ids = matching_photos(library.catalog, filters)
        return sorted(Path(photo.path).name for photo in library.photos(ids.tolist()))


@pytest.fixture
def dated(desk: Desk) -> Desk:
    photo(desk.photos / "june.jpg", taken="2021:06:30 23:30:00", offset="-08:00")
    photo(desk.photos / "july.jpg", taken="2021:07:01 00:30:00", offset="+14:00")
    photo(desk.photos / "unzoned.jpg", taken="2021:07:31 23:59:59")
    photo(desk.photos / "august.jpg", taken="2021:08:01 00:00:00")
    photo(desk.photos / "undated.jpg")
    desk.index()
    return desk


class TestTime:
    """July begins and ends where the photo was taken."""

    def test_after_a_date_is_from_its_start_on(self, dated: Desk) -> None:
        assert matching_names(dated, Filters(after=(seconds(2021, 7, 1),))) == ["august.jpg", "july.jpg", "unzoned.jpg"]

    def test_before_a_date_is_up_to_its_start(self, dated: Desk) -> None:
        assert matching_names(dated, Filters(before=(seconds(2021, 8, 1),))) == ["july.jpg", "june.jpg", "unzoned.jpg"]

    def test_in_a_period_is_from_its_start_to_before_its_end(self, dated: Desk) -> None:
        july = Filters(taken=((seconds(2021, 7, 1), seconds(2021, 8, 1)),))
        assert matching_names(dated, july) == ["july.jpg", "unzoned.jpg"]

    def test_the_newest_come_first_on_the_clock_of_their_place_and_those_without_a_date_last(self, dated: Desk) -> None:
        with dated.open() as library:
            names = [Path(photo.path).name for photo in library.photos(library.newest(NO_FILTERS, 9))]
            assert names == ["august.jpg", "unzoned.jpg", "july.jpg", "june.jpg", "undated.jpg"]
            assert library.newest(NO_FILTERS, 2) == library.newest(NO_FILTERS, 9)[:2]

    def test_between_several_dates_all_must_hold(self, dated: Desk) -> None:
        first, second, third = seconds(2021, 7, 1), seconds(2021, 8, 1), seconds(2021, 9, 1)
        assert matching_names(dated, Filters(after=(first, second), before=(third,))) == ["august.jpg"]
        assert matching_names(dated, Filters(after=(second,), before=(first,))) == []

    def test_any_of_several_periods_will_do(self, dated: Desk) -> None:
        days = ((seconds(2021, 6, 30), seconds(2021, 7, 1)), (seconds(2021, 8, 1), seconds(2021, 8, 2)))
        assert matching_names(dated, Filters(taken=days)) == ["august.jpg", "june.jpg"]


def test_cameras_and_lenses_go_by_a_part_of_their_name_in_any_case(desk: Desk) -> None:
    photo(desk.photos / "a.jpg", camera="Canon EOS 80D", lens="EF-S 18-135mm")
    photo(desk.photos / "b.jpg", camera="Pixel_7%", lens="50mm")
    photo(desk.photos / "c.jpg", camera="PixelX7")
    photo(desk.photos / "d.jpg")
    desk.index()
    assert matching_names(desk, Filters(camera=("canon",))) == ["a.jpg"]
    assert matching_names(desk, Filters(camera=("pixel_7%",))) == ["b.jpg"]
    assert matching_names(desk, Filters(camera=("canon", "pixel"))) == ["a.jpg", "b.jpg", "c.jpg"]
    assert matching_names(desk, Filters(lens=("MM",))) == ["a.jpg", "b.jpg"]
    assert matching_names(desk, Filters(lens=("mm",), camera=("eos",))) == ["a.jpg"]


def test_names_of_cameras_and_lenses_are_compared_as_words_are(desk: Desk) -> None:
    photo(desk.photos / "a.jpg", camera="x", lens="y")
    desk.index()
    with desk.open() as library, library.catalog.begin() as connection:
        connection.execute(update(photo_table).values(camera="ЗЕНИТ Ё", lens="Hélios"))
    for name in ("зенит", "Зенит е", "зенит\u200b"):
        assert matching_names(desk, Filters(camera=(name,))) == ["a.jpg"]
    for name in ("helios", "HÉLIOS", "he\u0301lios", "ｈｅｌｉｏｓ"):
        assert matching_names(desk, Filters(lens=(name,))) == ["a.jpg"]
    assert matching_names(desk, Filters(camera=("з_нит",))) == matching_names(desk, Filters(lens=("%",))) == []


def test_places_go_by_their_distance_over_the_date_line_too(desk: Desk) -> None:
    for name, place in (("munich", MUNICH), ("vienna", VIENNA), ("suva", SUVA), ("apia", APIA)):
        photo(desk.photos / f"{name}.jpg", place=place)
    photo(desk.photos / "nowhere.jpg")
    desk.index()
    assert matching_names(desk, Filters(near=(Circle(*MUNICH, 350),))) == ["munich.jpg"]
    assert matching_names(desk, Filters(near=(Circle(*MUNICH, 360),))) == ["munich.jpg", "vienna.jpg"]  # 355 km apart
    assert matching_names(desk, Filters(near=(Circle(-16, 180, 1000),))) == ["apia.jpg", "suva.jpg"]
    assert matching_names(desk, Filters(near=(Circle(*MUNICH, 1), Circle(*APIA, 1)))) == ["apia.jpg", "munich.jpg"]
    assert matching_names(desk, Filters(near=(Circle(0, 0, 21_000),))) == [
        "apia.jpg",
        "munich.jpg",
        "suva.jpg",
        "vienna.jpg",
    ]


def test_folders_go_by_path_or_by_a_name_anywhere(desk: Desk) -> None:
    for name in ("2021/june/a.jpg", "2021/June 2/b.jpg", "june/c.jpg", "100%/d.jpg", "1000/june_x/e.jpg"):
        photo(desk.photos / name)
    desk.index()
    assert matching_names(desk, Filters(folder=("june",))) == ["a.jpg", "c.jpg"]
    assert matching_names(desk, Filters(folder=("2021/june",))) == ["a.jpg"]
    assert matching_names(desk, Filters(folder=("June 2/", "100%"))) == ["b.jpg", "d.jpg"]
    assert matching_names(desk, Filters(folder=("june_",))) == []
    assert matching_names(desk, Filters(folder=(f"{desk.photos / '2021'}/",))) == ["a.jpg", "b.jpg"]
    assert matching_names(desk, Filters(folder=("/2021",))) == []
    assert len(matching_names(desk, Filters(folder=(str(desk.photos),)))) == 5


def test_folders_are_compared_as_words_are(desk: Desk) -> None:
    names: list[tuple[Literal["NFC", "NFD"], str]] = [
        ("NFD", "Übung Café"),
        ("NFC", "Übung Café 2"),
        ("NFC", "Łódź"),
        ("NFD", "ガーデン"),
        ("NFC", "a\uff0fb"),
    ]
    for form, name in names:
        photo(desk.photos / unicodedata.normalize(form, name) / "a.jpg", camera=name)
    desk.index()
    with desk.open() as library:

        def count(folder: str) -> int:
            return len(matching_photos(library.catalog, Filters(folder=(folder,))))

        for form, _ in names[:2]:
            assert count(unicodedata.normalize(form, "Übung Café")) == 1
            assert count(unicodedata.normalize(form, f"{desk.photos}/Übung Café 2")) == 1
        assert [count(name) for name in ("ubung CAFE", "lodz", "ŁÓDŹ/", "ｶﾞｰﾃﾞﾝ", "カーテン", "b")] == [1, 1, 1, 1, 0, 0]


def test_the_root_holds_every_photo(desk: Desk) -> None:
    photo(desk.photos / "a.jpg")
    desk.index()
    assert matching_names(desk, Filters(folder=("/",))) == ["a.jpg"]
    with desk.open() as library, library.catalog.begin() as connection:
        relative = str(desk.photos.relative_to("/") / "a.jpg")
        connection.execute(update(folder_table).values(path="/"))  # as `pixelseek index /` would have it
        connection.execute(update(location_table).values(path=relative))
    for folder in ("/", "//", str(desk.photos), f"{desk.photos}/", desk.photos.name):
        assert matching_names(desk, Filters(folder=(folder,))) == ["a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_folder_whose_name_is_not_text_is_found(desk: Desk) -> None:
    photo(desk.photos / os.fsdecode(b"caf\xe9") / "a.jpg")
    photo(desk.photos / os.fsdecode(b"caf\xe8") / "b.jpg")
    desk.index()
    assert matching_names(desk, Filters(folder=(os.fsdecode(b"caf\xe9"),))) == ["a.jpg"]


def test_types_go_by_the_ending_in_any_case(desk: Desk) -> None:
    for name in ("a.jpg", "b.JPEG", "c.png", "d.jpg.gif"):
        photo(desk.photos / name, camera=name)
    desk.index()
    assert matching_names(desk, Filters(type=((".jpg", ".jpeg"),))) == ["a.jpg", "b.JPEG"]
    assert matching_names(desk, Filters(type=((".png",), (".gif",)))) == ["c.png", "d.jpg.gif"]


def test_tags_go_by_the_whole_tag_as_words_are_compared_and_by_keywords_in_the_file(desk: Desk) -> None:
    for name, tags in (("a", ["Aunt Mary", "Café"]), ("b", ["aunt"]), ("c", ["50%", 'say "hi"']), ("d", [])):
        photo(desk.photos / f"{name}.jpg", camera=name)
        desk.index()
        with desk.open() as library:
            library.annotate(library.photo_at(desk.photos / f"{name}.jpg").id, caption="Aunt", tags=tags)
    photo(desk.photos / "e.jpg")
    desk.index()
    with desk.open() as library, library.catalog.begin() as connection:
        written = {"camera": "d", "keywords": ["Łódź"]}
        connection.execute(update(photo_table).where(photo_table.c.camera == "d").values(written))
    assert matching_names(desk, Filters(tag=("aunt mary",))) == ["a.jpg"]
    assert matching_names(desk, Filters(tag=("AUNT",))) == ["b.jpg"]
    assert (
        matching_names(desk, Filters(tag=("cafe",))) == matching_names(desk, Filters(tag=("CAFE\u0301",))) == ["a.jpg"]
    )
    assert matching_names(desk, Filters(tag=("lodz",))) == ["d.jpg"]
    assert matching_names(desk, Filters(tag=("50%", "lodz"))) == ["c.jpg", "d.jpg"]
    assert matching_names(desk, Filters(tag=('say "hi"',))) == ["c.jpg"]
    for absent in ("mary", "50_", "%", "["):
        assert matching_names(desk, Filters(tag=(absent,))) == []


def test_favourites_and_others(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        photo(desk.photos / f"{name}.jpg", camera=name)
    desk.index()
    with desk.open() as library:
        library.annotate(library.photo_at(desk.photos / "a.jpg").id, caption=None, tags=[], favourite=True)
        library.annotate(library.photo_at(desk.photos / "b.jpg").id, caption="no favourite", tags=["b"])
    assert matching_names(desk, Filters(favourite=(True,))) == ["a.jpg"]
    assert matching_names(desk, Filters(favourite=(False,))) == ["b.jpg", "c.jpg"]
    assert matching_names(desk, Filters(favourite=(True, False))) == ["a.jpg", "b.jpg", "c.jpg"]
    assert matching_names(desk, Filters(favourite=(True,), tag=("b",))) == []


def test_folder_and_type_must_hold_of_one_location(desk: Desk) -> None:
    photo(desk.photos / "x" / "a.jpg")
    (desk.photos / "y").mkdir()
    shutil.copy(desk.photos / "x" / "a.jpg", desk.photos / "y" / "a.jpeg")
    desk.index()
    assert matching_names(desk, Filters(folder=("y",), type=((".jpeg",),))) == ["a.jpg"]
    assert matching_names(desk, Filters(folder=("y",), type=((".jpg",),))) == []


def test_no_filter_finds_every_photo_with_a_location(dated: Desk) -> None:
    (dated.photos / "june.jpg").unlink()
    dated.index()
    assert matching_names(dated, Filters()) == ["august.jpg", "july.jpg", "undated.jpg", "unzoned.jpg"]
