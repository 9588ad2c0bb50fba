"""The names of places, offline: of a photo's position, of cities by their names, and in a library."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indexer.library import migrations
from indexer.library.filters import Filters, matching_photos
from indexer.library.gazetteer import GAZETTEER, PlaceName, places_at
from indexer.library.photo import place_text
from tests.indexer.desk import Desk
from tests.indexer.exif import photo

LISBON, MUNICH, PORTO, SEA = (38.6916, -9.2160), (48.137, 11.575), (41.1410, -8.6140), (30.0, -40.0)
PORTLAND_OREGON, PORTLAND_MAINE, SPLIT = (45.5152, -122.6784), (43.6591, -70.2568), (43.5081, 16.4402)


@pytest.mark.parametrize(
    ("latitude", "longitude", "place"),
    [
        (48.8584, 2.2945, "Paris, France"),  # the Eiffel Tower
        (48.8867, 2.3431, "Paris, France"),  # Montmartre
        (48.9354, 2.3599, "Saint-Denis, France"),  # its basilica
        (48.8049, 2.1204, "Versailles, France"),
        (52.5163, 13.3777, "Berlin, Germany"),  # the Brandenburg Gate
        (52.4042, 13.0386, "Potsdam, Germany"),  # Sanssouci
        (48.1374, 11.5755, "Munich, Germany"),
        (47.5576, 10.7498, "Schwangau, Germany"),  # Neuschwanstein
        (49.4106, 8.7153, "Heidelberg, Germany"),
        (51.5007, -0.1246, "London, United Kingdom"),  # Big Ben
        (55.9486, -3.1999, "Edinburgh, United Kingdom"),
        (40.7580, -73.9855, "New York City, United States"),  # Times Square
        (37.8199, -122.4783, "San Francisco, United States"),  # the Golden Gate Bridge
        (34.1341, -118.3215, "Los Angeles, United States"),  # the Hollywood sign
        (37.8044, -122.2712, "Oakland, United States"),
        (43.0828, -79.0742, "Niagara Falls, Canada"),  # the falls' Canadian side
        (-33.8568, 151.2153, "Sydney, Australia"),  # the Opera House
        (-25.3444, 131.0369, "Yulara, Australia"),  # Uluru
        (-22.9519, -43.2105, "Rio de Janeiro, Brazil"),  # Corcovado
        (35.6586, 139.7454, "Tokyo, Japan"),  # Tokyo Tower
        (34.9671, 135.7727, "Kyoto, Japan"),  # Fushimi Inari
        (27.1751, 78.0421, "Agra, India"),  # Taj Mahal
        (29.9792, 31.1342, "Giza, Egypt"),  # the pyramids
        (-33.9628, 18.4098, "Cape Town, South Africa"),  # Table Mountain
        (41.8902, 12.4922, "Rome, Italy"),  # the Colosseum
        (45.4341, 12.3388, "Venice, Italy"),
        (41.4036, 2.1744, "Barcelona, Spain"),  # Sagrada Família
        (50.0865, 14.4114, "Prague, Czechia"),
        (48.1845, 16.3122, "Vienna, Austria"),  # Schönbrunn
        (47.5476, 7.5896, "Basel, Switzerland"),  # on the border of three countries
        (48.5818, 7.7510, "Strasbourg, France"),  # the same
        (46.0207, 7.7491, "Zermatt, Switzerland"),
        (1.2834, 103.8607, "Singapore"),
        (55.7539, 37.6208, "Moscow, Russia"),
        (36.4618, 25.3753, "Oía, Greece"),
        (-16.5, 180.0, "Northern, Fiji"),  # on the date line, far from any city
        (38.6916, -9.2160, "Restelo, Portugal"),  # Belém in Lisbon: as the list has it
        (30.0, -40.0, None),  # the Atlantic
        (90.0, 0.0, None),
        (-90.0, 180.0, None),
    ],
)
def test_known_positions_have_the_name_that_a_person_would_say(
    latitude: float, longitude: float, place: str | None
) -> None:
    named = GAZETTEER.place_at(latitude, longitude)
    assert place_text(named.city or named.region, named.country) == place


def test_where_there_is_no_position_there_is_no_name() -> None:
    assert places_at([(None, None), (*MUNICH,)]) == [PlaceName(), PlaceName("Munich", "Bavaria", "Germany")]


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        ("munich", "Munich, Bavaria, Germany"), ("München", "Munich, Bavaria, Germany"),
        ("ミュンヘン", "Munich, Bavaria, Germany"), ("cologne", "Köln, North Rhine-Westphalia, Germany"),
        ("lisboa", "Lisbon, Portugal"), ("  New   York ", "New York City, New York, United States"),
        ("paris", "Paris, Île-de-France, France"), ("paris, texas", "Paris, Texas, United States"),
        ("london,canada", "London, Ontario, Canada"), ("birmingham, uk", "Birmingham, England, United Kingdom"),
        ("birmingham, US", "Birmingham, Alabama, United States"),
    ],
)  # fmt: skip
def test_a_city_goes_by_its_name_in_any_language_and_the_largest_comes_first(name: str, largest: str) -> None:
    cities = GAZETTEER.cities_named(name)
    assert cities[0].full_name == largest
    assert [city.population for city in cities] == sorted((city.population for city in cities), reverse=True)


@pytest.mark.parametrize("name", ["nowhere", "", ",", "a\tb", "paris, mars", "munich\n", "%", "\0"])
def test_what_is_no_city_is_not_found(name: str) -> None:
    assert GAZETTEER.cities_named(name) == [] or name == "munich\n"


def test_a_misspelled_city_has_suggestions() -> None:
    assert GAZETTEER.similar_names("muncih")[0] == "Munich"
    assert GAZETTEER.similar_names("lissbon")[0] == "Lisbon"
    assert GAZETTEER.similar_names("") == GAZETTEER.similar_names("qqqqqq") == []


@pytest.fixture
def travels(desk: Desk) -> Desk:
    for name, place in (
        ("lisbon", LISBON), ("munich", MUNICH), ("porto", PORTO), ("sea", SEA),
        ("oregon", PORTLAND_OREGON), ("maine", PORTLAND_MAINE), ("split", SPLIT),
    ):  # fmt: skip
        photo(desk.photos / f"{name}.jpg", place=place)
    photo(desk.photos / "nowhere.jpg")
    desk.index()
    return desk


def places(desk: Desk) -> dict[str, str | None]:
    with desk.open() as library:
        records = library.photos(matching_photos(library.catalog, Filters()).tolist())
    return {Path(record.path).stem: record.place for record in records}


PLACES = {
    "lisbon": "Restelo, Portugal", "munich": "Munich, Germany", "porto": "Porto, Portugal", "sea": None,
    "oregon": "Portland, United States", "maine": "Portland, United States", "split": "Split, Croatia",
    "nowhere": None,
}  # fmt: skip


def test_a_photo_has_the_name_of_its_place(travels: Desk) -> None:
    assert places(travels) == PLACES


FOUND = [
    ("portugal", ["lisbon", "porto"]),
    ("Lisbon", ["lisbon"]),  # the region
    ("lisboa", ["lisbon"]),
    ("Porto", ["porto"]), ("oporto", ["porto"]), ("porto, portugal", ["porto"]), ("porto, spain", []),
    ("münchen", ["munich"]), ("munich, de", ["munich"]), ("Bavaria, Germany", ["munich"]),
    ("portland", ["maine", "oregon"]), ("portland,oregon", ["oregon"]), ("usa", ["maine", "oregon"]),
    ("United States", ["maine", "oregon"]), ("united", ["maine", "oregon"]), ("states u", []),
    ("ortland", []), ("%", []), ("land", []), ("Munich, Germany", ["munich"]),
]  # fmt: skip


def test_photos_are_found_by_whole_words_of_city_region_or_country(travels: Desk) -> None:
    with travels.open() as library:
        for place, found in FOUND:
            photos = library.photos(library.matching(Filters(place=(place,))).tolist())
            assert sorted(Path(photo.path).stem for photo in photos) == found, place


def test_places_without_end_are_searched_for(travels: Desk) -> None:
    with travels.open() as library:
        assert len(library.matching(Filters(place=("san jose", "springfield", "porto") * 50))) == 1
        assert len(library.matching(Filters(place=(",".join(["portugal"] * 100),)))) == 2


def test_any_of_several_places_will_do(travels: Desk) -> None:
    with travels.open() as library:
        assert len(library.matching(Filters(place=("porto", "munich")))) == 2
        assert library.filter_values("place")


@pytest.mark.sqlite
def test_the_photos_of_a_library_of_before_places_had_names_get_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "HEAD", "0007")
        desk.open().close()
    with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection, connection:
        connection.execute(
            "INSERT INTO folder (id, path, mount_point, online) VALUES (1, ?, '/', 1)", [bytes(desk.photos)]
        )
        for photo_id, (latitude, longitude) in enumerate([MUNICH, PORTO, (None, None)], start=7):
            connection.execute(
                "INSERT INTO photo (id, digest, size, width, height, latitude, longitude)"
                " VALUES (?, ?, 9, 40, 30, ?, ?)",
                [photo_id, bytes([photo_id]), latitude, longitude],
            )
            connection.execute(
                "INSERT INTO location (folder_id, path, mtime_ns, size, photo_id) VALUES (1, ?, 5, 9, ?)",
                [b"%d.png" % photo_id, photo_id],
            )
    with desk.open() as library:
        assert [record.place for record in library.photos([7, 8, 9])] == ["Munich, Germany", "Porto, Portugal", None]
        assert library.matching(Filters(place=("portugal",))).tolist() == [8]
