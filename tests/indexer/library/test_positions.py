"""Positions with a broken part: what is meaningful stays, the rest goes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_metadata
from tests.indexer.exif import APP1, XMP_SIGNATURE, Field, ascii_field, exif_block, jpeg, rational_field, xmp_packet

NORTH, LATITUDE, EAST, LONGITUDE, ALTITUDE_REF, ALTITUDE = range(1, 7)
WHOLE: dict[int, Field] = {
    NORTH: ascii_field(b"S"),
    LATITUDE: rational_field((33, 1), (51, 1), (36, 1)),
    EAST: ascii_field(b"E"),
    LONGITUDE: rational_field((151, 1), (12, 1), (36, 1)),
}


def read(*segments: tuple[int, bytes]) -> Metadata:
    with Image.open(io.BytesIO(jpeg(*segments))) as image:
        return read_metadata(image)


def position(**fields: Field | None) -> tuple[float | None, float | None]:
    gps = {**WHOLE, **{globals()[name]: field for name, field in fields.items()}}
    result = read((APP1, exif_block(gps={tag: field for tag, field in gps.items() if field is not None})))
    return result.latitude, result.longitude


@pytest.mark.parametrize(
    ("fields", "latitude"),
    [
        ({}, -33.86),
        ({"LATITUDE": rational_field((33, 1), (51, 1), (0, 0))}, -33.85),
        ({"LATITUDE": rational_field((33, 1), (51, 1), (36, 0))}, -33.85),
        ({"LATITUDE": rational_field((33, 1), (51, 1), (3600, 1))}, -33.85),
        ({"LATITUDE": rational_field((33, 1), (51, 1))}, -33.85),
        ({"LATITUDE": rational_field((33, 1), (516, 10), (0, 1))}, -33.86),
        ({"LATITUDE": rational_field((3386, 100))}, -33.86),
        ({"LATITUDE": rational_field((3386, 100), (0, 0), (0, 0))}, -33.86),
        ({"LATITUDE": rational_field((-3386, 100), signed=True), "NORTH": None}, -33.86),
        ({"LATITUDE": ascii_field(b"33.86")}, -33.86),
        ({"NORTH": ascii_field(b"s")}, -33.86),
        ({"NORTH": ascii_field(b"South")}, -33.86),
        ({"NORTH": None}, 33.86),
        ({"NORTH": ascii_field(b"")}, 33.86),
        ({"ALTITUDE": rational_field((0, 0)), "ALTITUDE_REF": ascii_field(b"junk")}, -33.86),
        ({"ALTITUDE": ascii_field(b"high")}, -33.86),
    ],
)
def test_the_meaningful_part_of_a_position_is_kept(fields: dict[str, Field | None], latitude: float) -> None:
    assert list(position(**fields)) == [pytest.approx(latitude, abs=1e-6), pytest.approx(151.21, abs=1e-6)]


@pytest.mark.parametrize(
    "fields",
    [
        {"LATITUDE": rational_field((91, 1), (0, 1), (0, 1))},
        {"LATITUDE": rational_field((90, 1), (0, 1), (1, 1))},
        {"LATITUDE": rational_field((33, 0), (51, 1), (36, 1))},
        {"LATITUDE": rational_field((33, 1), (0, 0), (36, 1))},
        {"LONGITUDE": rational_field((181, 1), (0, 1), (0, 1))},
        {"LATITUDE": None},
        {"LONGITUDE": ascii_field(b"here")},
        {"NORTH": ascii_field(b"E")},
        {"LATITUDE": rational_field((0, 1), (0, 1), (0, 1)), "LONGITUDE": rational_field((0, 1), (0, 1), (0, 1))},
    ],
    ids=["beyond the pole", "a second beyond", "no degrees", "whole degrees alone", "beyond 180", "half", "words",
         "a letter of the other", "no fix"],
)  # fmt: skip
def test_what_is_no_position_is_dropped(fields: dict[str, Field | None]) -> None:
    assert position(**fields) == (None, None)


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        ("48,8.25N", "11,34.5E", (48.1375, 11.575)),
        ("33,51,36S", "151,12,36e", (-33.86, 151.21)),
        ("48.1375", "-11.575", (48.1375, -11.575)),
        ("91,0N", "11,34.5E", (None, None)),
        ("48,8.25N", "", (None, None)),
        ("north", "11,34.5E", (None, None)),
    ],
)
def test_xmp_has_positions_as_text(latitude: str, longitude: str, expected: tuple[float | None, float | None]) -> None:
    packet = xmp_packet(exif__GPSLatitude=latitude, exif__GPSLongitude=longitude)
    result = read((APP1, XMP_SIGNATURE + packet))
    assert [result.latitude, result.longitude] == [None if part is None else pytest.approx(part) for part in expected]


def test_a_position_comes_whole_from_one_place() -> None:
    broken = exif_block(gps={NORTH: ascii_field(b"N"), LATITUDE: rational_field((12, 1), (0, 1), (0, 1))})
    packet = xmp_packet(exif__GPSLatitude="48,8.25N", exif__GPSLongitude="11,34.5E")
    result = read((APP1, broken), (APP1, XMP_SIGNATURE + packet))
    assert [result.latitude, result.longitude] == [pytest.approx(48.1375), pytest.approx(11.575)]
