from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pillow_heif import register_heif_opener

from indexer.decoding import Failure, ReadPhoto, read_metadata_of_file, read_photo
from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_metadata
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.exif import ascii_field, exif_block

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
    result = metadata(FULL)
    assert result.taken_at == int(datetime(2021, 7, 14, 16, 30, 5, tzinfo=UTC).timestamp())
    assert result.taken_offset == 7200
    assert result.camera == "Canon EOS 80D"
    assert result.lens == "EF-S 18-135mm"
    assert result.latitude == pytest.approx(-33.86)
    assert result.longitude == pytest.approx(151.21)
    assert result.orientation == 6


def test_a_photo_without_exif_has_no_metadata() -> None:
    with Image.new("RGB", (8, 8)) as image:
        assert read_metadata(image) == Metadata()


def test_without_an_offset_the_cameras_clock_is_taken_as_it_is() -> None:
    result = metadata({"Exif": {piexif.ExifIFD.DateTimeOriginal: b"2021:07:14 18:30:05"}})
    assert result.taken_at == int(datetime(2021, 7, 14, 18, 30, 5, tzinfo=UTC).timestamp())
    assert result.taken_offset is None


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
    result = metadata({"GPS": {1: b"N", 2: latitude, 3: b"E", 4: longitude}})
    assert (result.latitude, result.longitude) == (None, None)


def test_an_unknown_orientation_is_left_out() -> None:
    assert metadata({"0th": {piexif.ImageIFD.Orientation: 42}}).orientation is None


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow remarks on the garble
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_garbled_exif_never_raises(data: st.DataObject) -> None:
    block = bytearray(piexif.dump(FULL))
    for position in data.draw(st.lists(st.integers(6, len(block) - 1), max_size=12)):
        block[position] = data.draw(st.integers(0, 255))
    result = metadata(bytes(block))
    assert result.latitude is None or -90 <= result.latitude <= 90
    (result.camera or "").encode()
    (result.lens or "").encode()


def xmp(subject: str = "", title: str = "", description: str = "") -> bytes:
    return f"""<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
      <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <rdf:Description rdf:about="">
          <dc:title><rdf:Alt>{title}</rdf:Alt></dc:title>
          <dc:description><rdf:Alt>{description}</rdf:Alt></dc:description>
          <dc:subject><rdf:Bag>{subject}</rdf:Bag></dc:subject>
        </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


def entries(*texts: str) -> str:
    return "".join(f'<rdf:li xml:lang="x-default">{text}</rdf:li>' for text in texts)


def iptc(*records: tuple[int, int, bytes]) -> bytes:
    """A JPEG marker APP13 as Photoshop writes it."""
    block = b"".join(struct.pack(">BBBH", 0x1C, record, tag, len(value)) + value for record, tag, value in records)
    resource = b"8BIM" + struct.pack(">H2xI", 0x0404, len(block)) + block + b"\0" * (len(block) % 2)
    body = b"Photoshop 3.0\0" + resource
    return struct.pack(">HH", 0xFFED, len(body) + 2) + body


def read(content: bytes) -> Metadata:
    with Image.open(io.BytesIO(content)) as image:
        return read_metadata(image)


def saved(format: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format=format, **options)
    return file.getvalue()


class TestTitles:
    @pytest.mark.parametrize("format", ["JPEG", "WEBP", "HEIF"])
    def test_xmp_is_read(self, format: str) -> None:
        register_heif_opener()
        packet = xmp(
            entries("beach", "Größe", "beach"), entries("Our  holiday"), entries("The sea &amp; us", "Das Meer")
        )
        result = read(saved(format, xmp=packet))
        assert result.title == "Our holiday"
        assert result.description == "The sea & us"
        assert result.keywords == ["beach", "Größe"]

    def test_xmp_of_a_png_is_read(self) -> None:
        notes = PngInfo()
        notes.add_itxt("XML:com.adobe.xmp", xmp(title=entries("A title")).decode())
        assert read(saved("PNG", pnginfo=notes)).title == "A title"

    def test_iptc_is_read_whatever_its_encoding(self) -> None:
        jpeg = saved()
        records = [(2, 5, "Café".encode()), (2, 25, b"dog"), (2, 25, "Gr\xfc\xdfe".encode("latin-1")), (2, 120, b"Rex")]
        result = read(jpeg[:2] + iptc(*records) + jpeg[2:])
        assert (result.title, result.description, result.keywords) == ("Café", "Rex", ["dog", "Grüße"])

    def test_xmp_goes_before_iptc_and_iptc_before_exif_field_by_field(self) -> None:
        exif = piexif.dump({"0th": {270: b"From EXIF", 0x9C9E: tuple("exif;words".encode("utf-16-le"))}})
        jpeg = saved(xmp=xmp(title=entries("From XMP")), exif=exif)
        result = read(jpeg[:2] + iptc((2, 5, b"From IPTC"), (2, 25, b"iptc")) + jpeg[2:])
        assert (result.title, result.description, result.keywords) == ("From XMP", "From EXIF", ["iptc"])

    def test_what_windows_writes_is_read(self) -> None:
        fields = {0x9C9B: "Großes Fest\0", 0x9C9E: "cake;Aunt Mary; \0"}
        block = piexif.dump({"0th": {tag: tuple(text.encode("utf-16-le")) for tag, text in fields.items()}})
        result = read(saved(exif=block))
        assert (result.title, result.keywords) == ("Großes Fest", ["cake", "Aunt Mary"])

    def test_what_a_camera_writes_into_every_photo_is_no_description(self) -> None:
        assert metadata({"0th": {270: b"OLYMPUS DIGITAL CAMERA         "}}).description is None

    def test_titles_are_cut_and_keywords_counted(self) -> None:
        result = read(saved("WEBP", xmp=xmp(entries(*(f"{n}" + "x" * 500 for n in range(150))), entries("y" * 999))))
        assert len(result.title or "") == 200
        assert len(result.keywords) == 100
        assert {len(keyword) for keyword in result.keywords} == {100}

    @pytest.mark.parametrize(
        "packet",
        [
            b"not xml",
            b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'"><!ENTITY b "' + b"&a;" * 99 + b'">]><x>&b;</x>',
            b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + xmp(title=entries("&a;"))[36:],
            b"<x>" * 20_000,
            xmp(title=entries("x" * 2**20)),
        ],
        ids=["garbled", "a bomb", "another file", "deep", "large"],
    )
    def test_hostile_xmp_has_no_titles_and_does_no_harm(self, packet: bytes) -> None:
        with Image.new("RGB", (8, 8)) as image:
            image.info["xmp"] = packet
            assert read_metadata(image) == Metadata()

    def test_titles_survive_garbled_exif(self) -> None:
        with Image.open(io.BytesIO(saved(xmp=xmp(title=entries("A title"))))) as image:
            image.info["exif"] = b"Exif\0\0garbled"
            assert read_metadata(image).title == "A title"

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_garbled_iptc_and_xmp_never_raise(self, data: st.DataObject) -> None:
        jpeg = saved(xmp=xmp(entries("beach"), entries("A title")))
        content = bytearray(jpeg[:2] + iptc((2, 5, b"title"), (2, 25, b"dog"), (1, 90, b"\x1b%G")) + jpeg[2:])
        for position in data.draw(st.lists(st.integers(4, len(content) // 2), max_size=12)):
            content[position] = data.draw(st.integers(0, 255))
        try:
            image = Image.open(io.BytesIO(bytes(content)))
        except Exception:  # not a photo any more
            return
        result = read_metadata(image)
        for text in (result.title, result.description, *result.keywords):
            (text or "").encode()


def png(chunk: tuple[bytes, bytes], *, after: bool) -> bytes:
    """A PNG with that chunk before its pixels or after them."""
    plain, (kind, body) = saved("PNG"), chunk
    packed = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    at = len(plain) - 12 if after else 33
    return plain[:at] + packed + plain[at:]


class TestPng:
    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize(
        ("chunk", "field", "expected"),
        [
            ((b"tEXt", b"Title\0K\xf6ln"), "title", "Köln"),
            ((b"tEXt", "Title\0Köln".encode()), "title", "Köln"),
            ((b"zTXt", b"Description\0\0" + zlib.compress("東京".encode())), "description", "東京"),
            ((b"iTXt", "Title\0\0\0de\0Titel\0Größe".encode()), "title", "Größe"),
            ((b"iTXt", b"Author\0\1\0\0\0" + zlib.compress("Zoë".encode())), "author", "Zoë"),
            ((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(title=entries("A title"))), "title", "A title"),
            ((b"eXIf", exif_block({0x010E: ascii_field("Köln".encode())})[6:]), "description", "Köln"),
            ((b"tEXt", b"Creation Time\0Wed, 14 Jul 2021 18:30:05 +0200"), "taken_offset", 7200),
            ((b"tEXt", b"Creation Time\x002021-07-14T18:30:05Z"), "taken_source", "png"),
            ((b"eXIf", exif_block(details={0x9003: ascii_field(b"2021:07:14 12:00:00")})[6:]), "taken_source", "exif"),
        ],
    )
    def test_text_is_read_wherever_it_stands(
        self, tmp_path: Path, chunk: tuple[bytes, bytes], field: str, expected: object, after: bool
    ) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png(chunk, after=after))
        again = read_metadata_of_file(str(path))
        assert isinstance(again, Metadata)
        assert getattr(again, field) == expected
        result = read_photo(str(path), frozenset(), colour_processor())
        assert isinstance(result, ReadPhoto)
        assert result.picture is not None
        assert result.picture.metadata == again

    @pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
    def test_text_that_swells_is_not_unpacked(self, tmp_path: Path, kind: bytes) -> None:
        swelling = zlib.compress(bytes(200 * 1024**2), 9)
        path = tmp_path / "a.png"
        path.write_bytes(png((kind, b"Title\0" + (b"\0" if kind == b"zTXt" else b"\1\0\0\0") + swelling), after=True))
        result = read_metadata_of_file(str(path))
        assert result is Failure.DAMAGED or (isinstance(result, Metadata) and result.title is None)
