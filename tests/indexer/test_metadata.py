from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.metadata import Metadata, read_metadata

FULL: dict[str, dict[int, Any]] = {
    "0th": {
        piexif.ImageIFD.Make: b"Canon",
        piexif.ImageIFD.Model: b"Canon EOS 80D",
        piexif.ImageIFD.Orientation: 6,
    },
    "Exif": {
        piexif.ExifIFD.DateTimeOriginal: b"2021:07:14 18:30:05",
        piexif.ExifIFD.OffsetTimeOriginal: b"+02:00",
        piexif.ExifIFD.LensModel: b"EF-S 18-135mm\0\0",
    },
    "GPS": {
        piexif.GPSIFD.GPSLatitudeRef: b"S",
        piexif.GPSIFD.GPSLatitude: ((33, 1), (51, 1), (36, 1)),
        piexif.GPSIFD.GPSLongitudeRef: b"E",
        piexif.GPSIFD.GPSLongitude: ((151, 1), (12, 1), (3600, 100)),
    },
}


def metadata(exif: dict[str, dict[int, Any]] | bytes) -> Metadata:
    file = io.BytesIO()
    block = exif if isinstance(exif, bytes) else piexif.dump(exif)
    Image.new("RGB", (8, 8)).save(file, format="JPEG", exif=block)
    with Image.open(file) as image:
        return read_metadata(image)


def test_exif_is_read() -> None:
    found = metadata(FULL)
    assert found.taken_at == int(datetime(2021, 7, 14, 16, 30, 5, tzinfo=UTC).timestamp())
    assert found.taken_offset == 7200
    assert found.camera == "Canon EOS 80D"
    assert found.lens == "EF-S 18-135mm"
    assert found.latitude == pytest.approx(-33.86)
    assert found.longitude == pytest.approx(151.21)
    assert found.orientation == 6


def test_a_photo_without_exif_has_no_metadata() -> None:
    with Image.new("RGB", (8, 8)) as image:
        assert read_metadata(image) == Metadata()


def test_without_an_offset_the_cameras_clock_is_taken_as_it_is() -> None:
    found = metadata({"Exif": {piexif.ExifIFD.DateTimeOriginal: b"2021:07:14 18:30:05"}})
    assert found.taken_at == int(datetime(2021, 7, 14, 18, 30, 5, tzinfo=UTC).timestamp())
    assert found.taken_offset is None


def test_the_maker_is_named_once() -> None:
    assert metadata({"0th": {271: b"SONY", 272: b"ILCE-7M3"}}).camera == "SONY ILCE-7M3"
    assert metadata({"0th": {271: b"SONY"}}).camera == "SONY"


@pytest.mark.parametrize("date", [b"0000:00:00 00:00:00", b"    :  :     :  :  ", b"1021:01:01 00:00:00", b"soon"])
def test_a_senseless_date_is_no_date(date: bytes) -> None:
    assert metadata({"Exif": {piexif.ExifIFD.DateTimeOriginal: date}}).taken_at is None


@pytest.mark.parametrize(
    "latitude",
    [((91, 1), (0, 1), (0, 1)), ((1, 0), (0, 0), (0, 0)), ((0, 1), (0, 1), (0, 1))],
    ids=["beyond the pole", "divided by nothing", "no fix"],
)
def test_a_senseless_position_is_no_position(latitude: tuple[tuple[int, int], ...]) -> None:
    longitude = ((0, 1), (0, 1), (0, 1))
    found = metadata({"GPS": {1: b"N", 2: latitude, 3: b"E", 4: longitude}})
    assert (found.latitude, found.longitude) == (None, None)


def test_an_unknown_orientation_is_left_out() -> None:
    assert metadata({"0th": {piexif.ImageIFD.Orientation: 42}}).orientation is None


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow remarks on the garble
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_garbled_exif_never_raises(data: st.DataObject) -> None:
    block = bytearray(piexif.dump(FULL))
    for position in data.draw(st.lists(st.integers(6, len(block) - 1), max_size=12)):
        block[position] = data.draw(st.integers(0, 255))
    found = metadata(bytes(block))
    assert found.latitude is None or -90 <= found.latitude <= 90
    (found.camera or "").encode()
    (found.lens or "").encode()
