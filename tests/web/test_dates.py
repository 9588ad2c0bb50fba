"""What the pages and the API say of a date that nobody has stated, and of a photo with a fault."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import piexif
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.engine.libraries import index
from tests.web.applications import opened

PHOTOS = {
    "stated.jpg": b"2021:07:14 18:30:05.25+02:00",
    "a year.jpg": b"1950",
    "IMG_20190714_153000.jpg": b"",
    "dated.jpg": b"",
    "undated.jpg": b"",
}
"""The EXIF date in each; the last lies in a file of 1970."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, photos: Path, weights: Path) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("dates")
    for row, (name, date) in enumerate(PHOTOS.items(), start=1):
        exif = {"Exif": {piexif.ExifIFD.DateTimeOriginal: date}} if date else {}
        with Image.open(photos / f"scene {row:02}.jpg") as image:
            image.save(folder / name, exif=piexif.dump(exif))
        second = 0 if name == "undated.jpg" else 1_600_000_000
        os.utime(folder / name, (second, second))
    whole = (folder / "stated.jpg").read_bytes()
    (folder / "stated.jpg").write_bytes(whole[:-2])
    library = tmp_path_factory.mktemp("dates-library")
    index(library, folder, weights)
    with opened(library, weights) as app:
        yield app


def answers(client: FlaskClient) -> dict[str, dict[str, object]]:
    photos = [client.get(f"/api/v1/photos/{photo_id}").get_json() for photo_id in range(1, len(PHOTOS) + 1)]
    return {Path(photo["path"]).name: photo for photo in photos}


def test_the_api_says_where_each_date_stands_and_no_more_than_is_known(client: FlaskClient) -> None:
    dates = {name: (photo["taken_at"], photo["taken_source"]) for name, photo in answers(client).items()}
    (dated, source) = dates.pop("dated.jpg")
    assert str(dated).startswith("2020-09-1")
    assert source == "file"
    assert dates == {
        "stated.jpg": ("2021-07-14T18:30:05.250000+02:00", "exif"),
        "a year.jpg": ("1950", "exif"),
        "IMG_20190714_153000.jpg": ("2019-07-14T15:30:00", "name"),
        "undated.jpg": (None, None),
    }


def test_the_page_says_where_a_date_is_a_guess(client: FlaskClient) -> None:
    shown = {}
    for name, photo in answers(client).items():
        page = client.get(f"/photos/{photo['photo_id']}").text
        taken = re.search(r"<dt>Taken</dt><dd>(.*?)</dd>", page)
        shown[name] = re.sub("<[^>]+>", "", taken[1]) if taken else None
    assert str(shown.pop("dated.jpg")).endswith("when its file was written")
    assert shown == {
        "stated.jpg": "14 July 2021, 18:30",
        "a year.jpg": "1950",
        "IMG_20190714_153000.jpg": "14 July 2019, 15:30 by its file name",
        "undated.jpg": None,
    }


def test_a_photo_that_was_cut_short_says_so(client: FlaskClient) -> None:
    notes = {name: photo["note"] for name, photo in answers(client).items()}
    assert notes.pop("stated.jpg") == "cut short: the end of the picture is missing"
    assert set(notes.values()) == {None}
    stated = answers(client)["stated.jpg"]
    assert "Cut short: the end of the picture is missing" in client.get(f"/photos/{stated['photo_id']}").text
