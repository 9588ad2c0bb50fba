"""Text in photos, in whatever characters it was written: never mojibake."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from indexer.metadata.characters import decoded, one_line, user_comment
from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_metadata
from tests.indexer.exif import APP1, Field, ascii_field, bytes_field, exif_block, iptc_segment, jpeg, undefined_field

DESCRIPTION, MAKE, MODEL, ARTIST, LENS, COMMENT = 0x010E, 0x010F, 0x0110, 0x013B, 0xA434, 0x9286
XP_TITLE, XP_COMMENT, XP_AUTHOR, XP_KEYWORDS, XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F
CYRILLIC, CHINESE, ARABIC = "Фотоаппарат Зенит", "凤凰照相机", "كاميرا"


def read(content: bytes) -> Metadata:
    with Image.open(io.BytesIO(content)) as image:
        return read_metadata(image)


def with_exif(
    first: dict[int, Field] | None = None, details: dict[int, Field] | None = None, *, big_endian: bool = False
) -> Metadata:
    return read(jpeg((APP1, exif_block(first, details, big_endian=big_endian))))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("Köln".encode(), "Köln"),
        ("Köln".encode("latin-1"), "Köln"),
        ("“Café” – 5 €".encode("cp1252"), "“Café” – 5 €"),
        (CYRILLIC.encode(), CYRILLIC),
        (CHINESE.encode(), CHINESE),
        (ARABIC.encode(), ARABIC),
        ("日本".encode("utf-16"), "日本"),
        (b"\xfe\xff" + "日本".encode("utf-16-be"), "日本"),
        ("\ufeffKöln".encode(), "Köln"),
        ("Größe 東京".encode()[:-1], "Größe 東"),
        ("👩‍👩‍👧 at home".encode(), "👩‍👩‍👧 at home"),
        (b"a\x1b[2Jb\r\nc", "a [2Jb c"),
        (CYRILLIC.encode("cp1251"), None),
        (CHINESE.encode("gbk"), None),
        (b"   ", None),
    ],
)
def test_a_description_is_read_in_the_characters_it_was_written_in(stored: bytes, expected: str | None) -> None:
    assert with_exif({DESCRIPTION: ascii_field(stored)}).description == expected


@pytest.mark.parametrize("name", [CYRILLIC, CHINESE, ARABIC, "Über-Kamera"])
def test_make_model_and_lens_may_be_in_any_script(name: str) -> None:
    result = with_exif(
        {MAKE: ascii_field(name.encode()), MODEL: ascii_field(b"X-1")}, {LENS: ascii_field(name.encode())}
    )
    assert (result.camera, result.lens) == (f"{name} X-1", name)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (b"ASCII\0\0\0Our holiday", "Our holiday"),
        (b"ASCII\0\0\0" + "Köln".encode(), "Köln"),
        (b"UNICODE\0" + "Köln".encode("utf-16-le"), "Köln"),
        (b"UNICODE\0" + "Köln".encode("utf-16-be"), "Köln"),
        (b"UNICODE\0" + "Köln".encode("utf-16"), "Köln"),
        (b"UNICODE\0" + CYRILLIC.encode("utf-16-le"), CYRILLIC),
        (b"UNICODE\0" + CYRILLIC.encode("utf-16-be"), CYRILLIC),
        (b"UNICODE\0" + b"a plain text", "a plain text"),
        (b"UNICODE\0" + "in Köln, in UTF-8".encode(), "in Köln, in UTF-8"),
        (b"JIS\0\0\0\0\0" + "東京の夜景".encode("iso2022_jp"), "東京の夜景"),
        (b"JIS\0\0\0\0\0" + "東京の夜景".encode("iso2022_jp")[3:-3], "東京の夜景"),
        (b"JIS\0\0\0\0\0" + "東京の夜景".encode("cp932"), "東京の夜景"),
        (b"JIS\0\0\0\0\0" + "東京の夜景".encode("euc_jp"), "東京の夜景"),
        (b"\0" * 8 + "Köln".encode(), "Köln"),
        (b"\0" * 8 + "Köln".encode("latin-1"), "Köln"),
        (b"Our holiday, with no code", "Our holiday, with no code"),
        (b"ASCII\0\0\0" + b" " * 40, None),
        (b"ASCII\0\0\0" + b"\0" * 40, None),
        (b"UNICODE\0", None),
        (b"UNICODE\0\0", None),
        (b"", None),
    ],
)
def test_a_user_comment_says_its_characters(comment: bytes, expected: str | None, big_endian: bool) -> None:
    assert with_exif(details={COMMENT: undefined_field(comment)}, big_endian=big_endian).description == expected


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_user_comment_has_the_byte_order_of_the_file_unless_its_text_shows_another(big_endian: bool) -> None:
    text = b"UNICODE\0" + "東京の夜景".encode("utf-16-be" if big_endian else "utf-16-le")
    assert with_exif(details={COMMENT: undefined_field(text)}, big_endian=big_endian).description == "東京の夜景"


def windows(text: str) -> Field:
    return bytes_field((text + "\0").encode("utf-16-le"))


def test_every_field_of_windows_is_read() -> None:
    first = {
        XP_TITLE: windows("Großes Fest"),
        XP_COMMENT: windows("東京"),
        XP_AUTHOR: windows("Zoë; Łukasz"),
        XP_KEYWORDS: windows("cake;Aunt Mary; "),
        XP_SUBJECT: windows("a subject"),
    }
    result = with_exif(first)
    assert (result.title, result.description, result.author) == ("Großes Fest", "東京", "Zoë; Łukasz")
    assert result.keywords == ["cake", "Aunt Mary"]
    del first[XP_COMMENT]
    assert with_exif(first).description == "a subject"
    first[XP_TITLE] = bytes_field(b"\x00\xd8x")  # half a letter, and half of another
    assert with_exif(first).keywords == ["cake", "Aunt Mary"]


def test_the_artist_is_the_author() -> None:
    assert with_exif({ARTIST: ascii_field("Zoë".encode())}).author == "Zoë"
    assert read(jpeg(iptc_segment((2, 80, "Zoë".encode())))).author == "Zoë"


@pytest.mark.parametrize(
    "text", ["NYC 2019", "MOM & DAD, PARIS", "BBQ", "DIGITAL ART", "ROBERT'S DIGITAL CAMERA CLUB", "KÖLN", "東京"]
)
def test_what_people_write_in_capitals_is_kept(text: str) -> None:
    assert with_exif({DESCRIPTION: ascii_field(text.encode())}).description == text


@pytest.mark.parametrize(
    "text",
    [
        *("OLYMPUS DIGITAL CAMERA         ", "SONY DSC", "KONICA MINOLTA DIGITAL CAMERA", "DIGITAL CAMERA", "SAMSUNG"),
        *(
            "SAMSUNG CAMERA PICTURES",
            "<KENOX S860  / Samsung S860>",
            "Exif_JPEG_PICTURE",
            "DCIM\\100MEDIA\\DJI_0001.JPG",
        ),
        *("default", "untitled", "---", "oplus_0", "filter: 0; fileterIntensity: 0.0;", '{"sceneMode":8}', "E-M10"),
    ],
)
def test_what_cameras_write_into_every_photo_is_dropped(text: str) -> None:
    first = {DESCRIPTION: ascii_field(text.encode()), MODEL: ascii_field(b"E-M10")}
    assert with_exif(first).description is None
    comment = undefined_field(b"ASCII\0\0\0by a person")
    assert with_exif(first, {COMMENT: comment}).description == "by a person", "and makes room for what a person wrote"


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_raise_or_make_text_that_cannot_be_stored(value: bytes, big_endian: bool) -> None:
    comments = (user_comment(code + value, big_endian=big_endian) for code in (b"", b"UNICODE\0", b"JIS" + bytes(5)))
    for text in (decoded(value), *comments):
        (one_line(text, 100) or "").encode()
