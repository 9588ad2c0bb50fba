from __future__ import annotations

import io
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from indexer.library.exporting import exported_photos
from indexer.library.filters import NO_FILTERS, Filters, matching_photos
from indexer.library.photo import PhotoRecord
from indexer.library.writer import LibraryWriter
from indexer.metadata.dates import date_in_name, date_of_file, iso_date, parse_date, parse_offset
from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_metadata
from tests.indexer.desk import Desk
from tests.indexer.exif import (
    APP1,
    XMP_SIGNATURE,
    ascii_field,
    exif_block,
    iptc_segment,
    jpeg,
    rational_field,
    short_field,
    xmp_packet,
)

ARABIC_DIGITS = [chr(0x660 + digit) for digit in range(10)]
NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
DATE_TIME, ORIGINAL, DIGITIZED = 0x0132, 0x9003, 0x9004
OFFSET, OFFSET_ORIGINAL, SUBSECOND, SUBSECOND_ORIGINAL = 0x9010, 0x9011, 0x9290, 0x9291


def read(content: bytes) -> Metadata:
    with Image.open(io.BytesIO(content)) as image:
        return read_metadata(image)


def camera_photo(date: bytes, **more: bytes) -> bytes:
    fields = {ORIGINAL: ascii_field(date)}
    if "offset" in more:
        fields[OFFSET_ORIGINAL] = ascii_field(more["offset"])
    if "fraction" in more:
        fields[SUBSECOND_ORIGINAL] = ascii_field(more["fraction"])
    return jpeg((APP1, exif_block(details=fields)))


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (b"2021:07:14 18:30:05", "2021-07-14T18:30:05"),
        (b"2019:01:01 24:04:20", "2019-01-01T00:04:20"),
        (b"2019:01:01 24:00:00", "2019-01-01T00:00:00"),
        (b"2016:12:31 23:59:60", "2016-12-31T23:59:59"),
        (b"2003: 7: 4  9:05:02", "2003-07-04T09:05:02"),
        (b"2003:7:4 9:5:2", "2003-07-04T09:05:02"),
        (b"2021-07-14T12:00:00", "2021-07-14T12:00:00"),
        (b"2021-07-14 12:00:00", "2021-07-14T12:00:00"),
        (b"2021/07/14 12:00:00", "2021-07-14T12:00:00"),
        (b"2021.07.14 12.00.00", "2021-07-14T12:00:00"),
        (b"2021:07:14:12:00:00", "2021-07-14T12:00:00"),
        (b"2021-07-14_12-00-00", "2021-07-14T12:00:00"),
        (b"20210714 120000", "2021-07-14T12:00:00"),
        (b"20210714120000", "2021-07-14T12:00:00"),
        (b"20210714T120000Z", "2021-07-14T12:00:00+00:00"),
        (b"2021:07:14 12:00", "2021-07-14T12:00:00"),
        (b"2021-07-14T12:00-02:00", "2021-07-14T12:00:00-02:00"),
        (b"2021:07:14 12:00:00.5", "2021-07-14T12:00:00.500000"),
        (b"2021:07:14 12:00:00,123456789", "2021-07-14T12:00:00.123456"),
        (b"2021:07:14 12:00:00Z", "2021-07-14T12:00:00+00:00"),
        (b"2021:07:14 12:00:00+02:00", "2021-07-14T12:00:00+02:00"),
        (b"2021:07:14 12:00:00 +0200", "2021-07-14T12:00:00+02:00"),
        (b"2021:07:14 12:00:00.25-03:30", "2021-07-14T12:00:00.250000-03:30"),
        (b"2021:07:14 06:30:05 PM", "2021-07-14T18:30:05"),
        (b"2021:07:14 12:30:05 a.m.", "2021-07-14T00:30:05"),
        (b"2021:07:14 12:00:00 CEST", "2021-07-14T12:00:00"),
        (b"2021:07:14 12:00:00\0\0\0", "2021-07-14T12:00:00"),
        (b"  2021:07:14 12:00:00   ", "2021-07-14T12:00:00"),
        (b"2021:07:14", "2021-07-14"),
        (b"2021:07:14   :  :  ", "2021-07-14"),
        (b"2021:07:14 29:61:61", "2021-07-14"),
        (b"2021:07", "2021-07"),
        (b"2021:07:00 00:00:00", "2021-07"),
        (b"2021:07:     :  :  ", "2021-07"),
        (b"2021", "2021"),
        (b"2021:00:00 00:00:00", "2021"),
        (b"2021:  :     :  :  ", "2021"),
        ("{2}{0}{1}{9}:{0}{7}:{1}{4} {1}{5}:{3}{0}:{0}{0}".format(*ARABIC_DIGITS).encode(), "2019-07-14T15:30:00"),
        (b"2564:07:14 10:00:00", "2021-07-14T10:00:00"),
        (b"9999:12:31 23:59:59-01:00", "9999-12-31T23:59:59-01:00"),
        (b"9999:12:31 23:59:59.5-14:00", "9999-12-31T23:59:59.500000-14:00"),
        (b"1826:01:01 00:00:00+14:00", "1826-01-01T00:00:00+14:00"),
    ],
)  # fmt: skip
def test_dates_are_read_as_programs_write_them(date: bytes, expected: str) -> None:
    result = read(camera_photo(date))
    assert result.taken_iso() == expected
    assert result.taken_source == "exif"


@pytest.mark.parametrize(
    "date",
    [
        *(b"", b"0000:00:00 00:00:00", b"    :  :     :  :  ", b"1021:01:01 00:00:00", b"soon", b"2021:13:01 00:00:00"),
        *(b"2021:02:30 10:00:00", b"2021:07:143", b"2021:0714 1", b"9" * 60_000, b"-2021:07:14", b"14.07.21"),
    ],
)
def test_what_cannot_be_is_no_date(date: bytes) -> None:
    assert read(camera_photo(date)).taken_iso() is None


@pytest.mark.parametrize(
    ("offset", "seconds"),
    [
        *((b"Z", 0), (b"UTC", 0), (b"+02:00", 7200), (b"+0200", 7200), (b"+2:00", 7200), (b"+02", 7200)),
        *((b"-03:30", -12600), ("\u221203:30".encode(), -12600), (b"GMT+2", 7200), (b" +02:00 \0", 7200)),
        *((b"+15:00", None), (b"+02:75", None), (b"   :  ", None), (b"", None), (b"02:00", None), (b"east", None)),
    ],
)
def test_offsets_are_read_as_programs_write_them(offset: bytes, seconds: int | None) -> None:
    assert read(camera_photo(b"2021:07:14 18:30:05", offset=offset)).taken_offset == seconds


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [(b"5", 500_000), (b"05", 50_000), (b" 5", 50_000), (b"123   ", 123_000), (b"1234567890", 123_456), (b"x", None)],
)
def test_a_part_of_a_second_is_digits_after_the_point(fraction: bytes, microseconds: int | None) -> None:
    assert read(camera_photo(b"2021:07:14 18:30:05", fraction=fraction)).taken_microsecond == microseconds


def test_the_offset_of_the_file_counts_for_each_date_but_not_against_its_own() -> None:
    details = {ORIGINAL: ascii_field(b"2021:07:14 18:30:05"), OFFSET: ascii_field(b"+05:00")}
    assert read(jpeg((APP1, exif_block(details=details)))).taken_offset == 18000
    details[ORIGINAL] = ascii_field(b"2021:07:14 18:30:05+01:00")
    assert read(jpeg((APP1, exif_block(details=details)))).taken_offset == 3600


EXIF_DATES = {ORIGINAL: b"2001:01:01 00:00:00", DIGITIZED: b"2002:01:01 00:00:00"}
XMP_DATES = {"photoshop__DateCreated": "2004-01-01", "exif__DateTimeOriginal": "2005", "xmp__CreateDate": "2006-01"}


def test_the_sources_of_a_date_stand_in_an_order() -> None:
    details = {tag: ascii_field(date) for tag, date in EXIF_DATES.items()}
    first = {DATE_TIME: ascii_field(b"2003:01:01 00:00:00")}
    xmp = dict(XMP_DATES)
    iptc = {55: b"20070101", 62: b"20080101"}
    result = []
    for source in (details, details, first, xmp, xmp, xmp, iptc, iptc):
        metadata = read(
            jpeg(
                (APP1, exif_block(first, details)),
                (APP1, XMP_SIGNATURE + xmp_packet(**xmp)),
                iptc_segment(*((2, number, value) for number, value in iptc.items())),
            )
        )
        result.append((metadata.taken_iso(), metadata.taken_source))
        del source[next(iter(source))]  # type: ignore[arg-type]
    assert result == [
        *(("2001-01-01T00:00:00", "exif"), ("2002-01-01T00:00:00", "exif"), ("2003-01-01T00:00:00", "exif")),
        *(("2004-01-01", "xmp"), ("2005", "xmp"), ("2006-01", "xmp"), ("2007-01-01", "iptc"), ("2008-01-01", "iptc")),
    ]


def test_a_garbled_date_makes_room_for_the_next() -> None:
    details = {ORIGINAL: ascii_field(b"0000:00:00 00:00:00"), DIGITIZED: ascii_field(b"2002:01:01 00:00:00")}
    assert read(jpeg((APP1, exif_block(details=details)))).taken_iso() == "2002-01-01T00:00:00"
    details = {ORIGINAL: rational_field((1, 0)), DIGITIZED: short_field(2002)}
    block = exif_block({DATE_TIME: ascii_field(b"2003:01:01 00:00:00")}, details)
    assert read(jpeg((APP1, block))).taken_iso() == "2003-01-01T00:00:00"


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (b"20210714", b"183005+0200", "2021-07-14T18:30:05+02:00"),
        (b"20210714", b"183005", "2021-07-14T18:30:05"),
        (b"2021-07-14", b"18:30:05-03:30", "2021-07-14T18:30:05-03:30"),
        (b"20210714", b"", "2021-07-14"),
        (b"20210700", b"", "2021-07"),
        (b"20210000", b"000000", "2021"),
        (b"00000000", b"", None),
    ],
)
def test_iptc_has_day_and_time_in_fields_of_their_own(day: bytes, clock: bytes, expected: str | None) -> None:
    assert read(jpeg(iptc_segment((2, 55, day), (2, 60, clock)))).taken_iso() == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20190714_153000.jpg", "2019-07-14T15:30:00"),
        ("IMG_20190714_153000_BURST001.jpg", "2019-07-14T15:30:00"),
        ("IMG_20190714153000.jpg", "2019-07-14T15:30:00"),
        ("20190714_153000.jpg", "2019-07-14T15:30:00"),
        ("PXL_20190714_153000123.MP.jpg", "2019-07-14T15:30:00.123000"),
        ("MVIMG_20190714_153000.jpg", "2019-07-14T15:30:00"),
        ("WIN_20190714_15_30_00_Pro.jpg", "2019-07-14T15:30:00"),
        ("2019-07-14 15.30.00.jpg", "2019-07-14T15:30:00"),
        ("2019.07.14 15.30.00-1.jpg", "2019-07-14T15:30:00"),
        ("2019-07-14T15:30:00.jpg", "2019-07-14T15:30:00"),
        ("photo_2019-07-14_15-30-00.jpg", "2019-07-14T15:30:00"),
        ("signal-2019-07-14-153000.jpg", "2019-07-14T15:30:00"),
        ("signal-2019-07-14-15-30-00-123.jpg", "2019-07-14T15:30:00.123000"),
        ("WhatsApp Image 2021-07-14 at 12.30.10.jpeg", "2021-07-14T12:30:10"),
        ("WhatsApp Image 2021-07-14 at 1.30.10 PM (2).jpeg", "2021-07-14T13:30:10"),
        ("Screenshot_2020-01-02-03-04-05.png", "2020-01-02T03:04:05"),
        ("Screenshot_20200102-030405_Chrome.jpg", "2020-01-02T03:04:05"),
        ("Screenshot 2020-01-02 at 3.04.05\u202fPM.png", "2020-01-02T15:04:05"),
        ("Screenshot from 2020-01-02 03-04-05.png", "2020-01-02T03:04:05"),
        ("Bildschirmfoto 2020-01-02 um 15.04.05.png", "2020-01-02T15:04:05"),
        ("Captura de pantalla 2020-01-02 a las 15.04.05.png", "2020-01-02T15:04:05"),
        ("스크린샷 2020-01-02 오후 3.04.05.png", "2020-01-02T15:04:05"),
        ("FB_IMG_1563118200000.jpg", "2019-07-14T15:30:00"),
        ("VID-20190714-WA0003.jpg", "2019-07-14"),
        ("20190714_0001.jpg", "2019-07-14"),
        ("IMG_20190714_250000.jpg", "2019-07-14"),
        ("2019-07-14_IMG_1234.jpg", "2019-07-14"),
        ("1955-07-14 the wedding.jpg", "1955-07-14"),
    ],
)
def test_a_date_in_a_file_name_is_read(name: str, expected: str) -> None:
    result = date_in_name(name, now=NOW)
    assert result is not None
    assert iso_date(result.at, result.offset, result.microsecond, result.precision) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("DSC_0001.jpg", "IMG_2019.jpg", "12345678.jpg", "IMG_20191301_000000.jpg", "IMG_20190230.jpg"),
        *("IMG_20991231_000000.jpg", "IMG_18000101.jpg", "IMG_19000101_000000.jpg", "IMG_123456789012.jpg"),
        *("2030-01-01.jpg", "1700-01-01.jpg", "FB_IMG_9999999999999.jpg", "4006381333931.jpg", "14-07-2019.jpg"),
        *("2019-07-144.jpg", "120190714.jpg", "0" * 250 + ".jpg", os.fsdecode(b"\xff\xfe.jpg")),
    ],
)
def test_what_only_looks_like_a_date_is_refused(name: str) -> None:
    assert date_in_name(name, now=NOW) is None


def test_the_time_of_a_file_is_refused_where_it_cannot_be() -> None:
    second = 10**9
    assert date_of_file(1_600_000_000 * second + 5000, now=NOW) is not None
    for seconds in (-(2**40), -1, 0, 315_532_800, 2**40, NOW + 100_000):
        assert date_of_file(int(seconds) * second, now=NOW) is None


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    parse_date(text, offset=text, fraction=text)
    parse_offset(text)
    date_in_name(text, now=NOW)


@pytest.fixture
def timely(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer two hours and a half west of Greenwich, the whole year."""
    monkeypatch.setenv("TZ", "XXX2:30")
    time.tzset()


@pytest.fixture(autouse=True)
def _own_time() -> object:
    yield None
    time.tzset()


def photos(desk: Desk) -> dict[str, PhotoRecord]:
    with desk.open() as library:
        return {Path(photo.path).name: photo for photo in library.photos(library.photo_ids().tolist())}


def put(path: Path, content: bytes, mtime: int = 1_600_000_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (mtime, mtime))


def plain(shade: int) -> bytes:
    return jpeg(colour=(shade, 0, 0))


def test_a_photo_of_the_last_hour_of_the_calendar_is_listed_like_others(desk: Desk) -> None:
    last = {"a.jpg": "9999-12-31T23:59:59-12:00", "b.jpg": "9999-12-31T23:00:00+14:00"}
    for name, date in last.items():
        put(desk.photos / name, camera_photo(date.encode()))
    desk.index()
    with desk.open() as library:
        assert {Path(photo["paths"][0]).name: photo["taken"] for photo in exported_photos(library)} == last
        assert library.facets(NO_FILTERS).months == {"9999-12": 2}
        assert [(year.name, year.photos) for year in library.overview(newest=2).years] == [("9999", 2)]


@pytest.mark.usefixtures("timely")
def test_a_photo_without_a_stated_date_has_one_from_its_name_or_its_file_and_says_so(desk: Desk) -> None:
    put(desk.photos / "camera 2001-01-01.jpg", camera_photo(b"2021:07:14 18:30:05"))
    put(desk.photos / "IMG_20190714_153000.jpg", plain(10))
    put(desk.photos / "DSC_1.jpg", plain(60))
    put(desk.photos / "DSC_2.jpg", plain(120), mtime=0)
    desk.index()
    result = {name: (photo.taken_iso(), photo.taken_source) for name, photo in photos(desk).items()}
    assert result == {
        "camera 2001-01-01.jpg": ("2021-07-14T18:30:05", "exif"),
        "IMG_20190714_153000.jpg": ("2019-07-14T15:30:00", "name"),
        "DSC_1.jpg": ("2020-09-13T09:56:40-02:30", "file"),
        "DSC_2.jpg": (None, None),
    }
    with desk.open() as library:
        exported = {Path(photo["paths"][0]).name: photo["taken_source"] for photo in exported_photos(library)}
        of_2020 = Filters(taken=((1_577_836_800, 1_609_459_200),))
        assert len(matching_photos(library.catalog, of_2020)) == 1
    assert exported == {name: source for name, (_, source) in result.items()}


def test_of_several_files_of_a_photo_the_oldest_goes_first_in_whatever_order_they_come(desk: Desk) -> None:
    put(desk.photos / "b" / "IMG_20190714_153000.jpg", plain(10), mtime=1_600_000_001)
    desk.index()
    put(desk.photos / "a" / "2018-01-01.jpg", plain(10), mtime=1_600_000_000)
    put(desk.photos / "c" / "2017-01-01.jpg", plain(10), mtime=1_600_000_002)
    desk.index()
    (photo,) = set(map(PhotoRecord.taken_iso, photos(desk).values()))
    assert photo == "2018-01-01"
    (desk.photos / "a" / "2018-01-01.jpg").unlink()
    desk.index()
    assert set(map(PhotoRecord.taken_iso, photos(desk).values())) == {"2019-07-14T15:30:00"}


def test_a_file_that_is_renamed_takes_the_date_in_its_new_name(desk: Desk) -> None:
    put(desk.photos / "DSC_1.jpg", plain(10))
    desk.index()
    (desk.photos / "DSC_1.jpg").rename(desk.photos / "2018-01-01 lake.jpg")
    assert desk.index().moved == 1
    assert {name: photo.taken_iso() for name, photo in photos(desk).items()} == {"2018-01-01 lake.jpg": "2018-01-01"}


def test_a_folder_that_is_removed_takes_its_dates_with_it(desk: Desk, tmp_path: Path) -> None:

    put(desk.photos / "2019-07-14.jpg", plain(10), mtime=1_600_000_001)
    put(tmp_path / "other" / "2018-01-01.jpg", plain(10))
    desk.index(desk.photos, tmp_path / "other")
    assert set(map(PhotoRecord.taken_iso, photos(desk).values())) == {"2018-01-01"}
    with desk.open() as library, LibraryWriter.lock(library) as writer:
        writer.remove_folder(tmp_path / "other")
    assert set(map(PhotoRecord.taken_iso, photos(desk).values())) == {"2019-07-14"}


def test_photos_of_one_second_stand_in_the_order_of_their_parts_of_it(desk: Desk) -> None:
    for name, fraction in (("b", b"25"), ("c", b"9"), ("a", b"05")):
        put(desk.photos / f"{name}.jpg", camera_photo(b"2021:07:14 18:30:05", fraction=fraction))
    shutil.copy(desk.photos / "a.jpg", desk.photos / "copy.jpg")
    desk.index()
    with desk.open() as library:
        newest = [Path(photo.path).stem for photo in library.photos(library.newest(NO_FILTERS, 9))]
    assert newest == ["c", "b", "a"]
