"""XMP files beside photos are read, followed when they change, and can do no harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.indexing import IndexReport, index_folders
from indexer.library.photo import PhotoRecord
from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_sidecar
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk, scribble
from tests.indexer.exif import APP1, ascii_field, exif_block, jpeg, xmp_packet
from tests.indexer.hostile import hostile


def packet(title: str, **properties: str) -> bytes:
    entry = f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>'
    return xmp_packet(elements=entry, **properties)


def write(path: Path, content: bytes, second: int = 1) -> None:
    path.write_bytes(content)
    os.utime(path, (1_600_000_000 + second,) * 2)


def photos(desk: Desk) -> dict[str, PhotoRecord]:
    with desk.open() as library:
        return {Path(photo.path).name: photo for photo in library.photos(library.photo_ids().tolist())}


def titles(desk: Desk) -> set[str | None]:
    return {photo.title for photo in photos(desk).values()}


def index_without_a_model(desk: Desk) -> IndexReport:
    def refuse() -> object:
        raise AssertionError("the model was loaded")

    with desk.open() as library:
        return index_folders(library, [], processor=colour_processor(), load_runtime=refuse, workers=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.xmp", "a.XMP", "a.jpg.xmp", "a.jpg.XMP"])
def test_the_metadata_of_a_sidecar_is_read(desk: Desk, name: str) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg())
    more = {"exif__DateTimeOriginal": "2021-07-14T12:00:00.5+02:00", "exif__GPSLatitude": "48,8.25N"}
    write(desk.photos / name, packet("The lake", exif__GPSLongitude="11,34.5E", **more))
    desk.index()
    (photo,) = photos(desk).values()
    assert (photo.title, photo.taken_source) == ("The lake", "xmp")
    assert (photo.taken_offset, photo.taken_microsecond) == (7200, 500_000)
    assert photo.latitude == pytest.approx(48.1375)
    with desk.open() as library:
        assert library.annotation_matches(["lake"]) == {photo.id: 1}


def test_it_goes_before_the_photo_itself_and_leaves_what_it_does_not_tell(desk: Desk) -> None:
    block = exif_block({0x010E: ascii_field(b"in the photo")}, {0x9003: ascii_field(b"2001:01:01 00:00:00")})
    (desk.photos / "a.jpg").write_bytes(jpeg((APP1, block)))
    write(desk.photos / "a.xmp", packet("beside it", photoshop__DateCreated="2002-02"))
    desk.index()
    (photo,) = photos(desk).values()
    assert (photo.title, photo.description) == ("beside it", "in the photo")
    assert (photo.taken_source, photo.taken_precision) == ("xmp", "month")


def test_the_file_named_after_the_whole_name_goes_first(desk: Desk) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg())
    write(desk.photos / "a.xmp", packet("of a RAW file"))
    write(desk.photos / "a.jpg.xmp", packet("of the JPEG"))
    desk.index()
    assert titles(desk) == {"of the JPEG"}


def test_a_file_that_comes_changes_and_goes_is_followed_and_nothing_is_encoded_anew(desk: Desk) -> None:
    scribble(desk.photos / "2019-07-14.png", 1)
    desk.index()
    assert titles(desk) == {None}
    beside = desk.photos / "2019-07-14.xmp"
    for second, title in enumerate(("first", "second")):
        write(beside, packet(title, photoshop__DateCreated="2002"), second)
        assert index_without_a_model(desk).unchanged == 1
        assert titles(desk) == {title}
    beside.unlink()
    index_without_a_model(desk)
    (photo,) = photos(desk).values()
    assert (photo.title, photo.taken_source) == (None, "name"), "what the photo says itself is back"


def test_of_two_files_with_one_beside_each_the_oldest_photo_goes_first(desk: Desk) -> None:
    for name, second in (("new", 5), ("old", 3)):
        write(desk.photos / f"{name}.jpg", jpeg(), second)
        write(desk.photos / f"{name}.xmp", packet(name), second)
    desk.index()
    assert titles(desk) == {"old"}
    (desk.photos / "old.jpg").unlink()
    desk.index()
    assert titles(desk) == {"new"}


def test_a_copy_without_one_takes_nothing_away(desk: Desk) -> None:
    write(desk.photos / "a.jpg", jpeg(), 5)
    write(desk.photos / "a.xmp", packet("kept"))
    desk.index()
    write(desk.photos / "b.jpg", jpeg(), 3)
    desk.index()
    assert titles(desk) == {"kept"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        bytes(100),
        packet("x" * 2**20),
        b"<x>" * 20_000,
        b"<dc:title xmlns:dc='http://purl.org/dc/elements/1.1/'>" * 10_000,
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + packet("&a;")[64:],
        hostile()["exif-lie-0.jpg"],
    ],
    ids=["empty", "words", "nulls", "large", "deep", "titles in titles", "another file", "a photo"],
)
def test_a_hostile_sidecar_is_ignored_and_the_photo_is_indexed(desk: Desk, content: bytes) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg())
    (desk.photos / "a.xmp").write_bytes(content)
    assert desk.index().added == 1
    assert titles(desk) == {None}


def test_what_is_no_file_is_not_waited_for(desk: Desk) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg())
    os.mkfifo(desk.photos / "a.xmp")
    (desk.photos / "a.jpg.xmp").mkdir()
    assert desk.index().added == 1
    assert read_sidecar(str(desk.photos / "a.xmp")) == Metadata()
    assert read_sidecar(str(desk.photos / "missing.xmp")) == Metadata()


def test_nothing_is_written_beside_photos(desk: Desk) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg())
    write(desk.photos / "a.xmp", packet("The lake"))
    before = {path: path.stat().st_mtime_ns for path in desk.photos.iterdir()}
    desk.index()
    assert {path: path.stat().st_mtime_ns for path in desk.photos.iterdir()} == before
