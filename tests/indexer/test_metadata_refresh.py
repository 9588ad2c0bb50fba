"""A library that an earlier Pixelseek has made learns what this one reads, and encodes nothing anew."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indexer.indexing import IndexReport, index_folders
from indexer.library import migrations
from indexer.library.photo import PhotoRecord
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk, scribble
from tests.indexer.exif import APP1, XMP_SIGNATURE, ascii_field, exif_block, jpeg, xmp_packet

TOLD = (
    (APP1, exif_block({0x013B: ascii_field("Zoë".encode())}, {0x9003: ascii_field(b"2021-07-14T12:00:00.5Z")})),
    (APP1, XMP_SIGNATURE + xmp_packet(exif__GPSLatitude="48,8.25N", exif__GPSLongitude="11,34.5E")),
)


def index_without_a_model(desk: Desk) -> IndexReport:
    def refuse() -> object:
        raise AssertionError("the model was loaded")

    with desk.open() as library:
        return index_folders(library, [], processor=colour_processor(), load_runtime=refuse, workers=1)  # type: ignore[arg-type]


def age(desk: Desk, columns: str) -> None:
    """Forget what an earlier Pixelseek did not read."""
    desk.execute(f"UPDATE photo SET metadata_version = 0, {columns}")


def photos(desk: Desk) -> dict[str, PhotoRecord]:
    with desk.open() as library:
        return {Path(photo.path).name: photo for photo in library.photos(library.photo_ids().tolist())}


def test_photos_that_an_earlier_version_has_read_are_asked_again_and_not_encoded_anew(desk: Desk) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg(*TOLD))
    (desk.photos / "copy.jpg").write_bytes(jpeg(*TOLD))
    scribble(desk.photos / "IMG_20190714_153000.png", 1)
    desk.index()
    before = photos(desk)
    age(desk, "taken_at = NULL, taken_source = NULL, latitude = NULL, longitude = NULL, author = NULL")
    assert photos(desk) != before
    report = index_without_a_model(desk)
    assert (report.unchanged, report.encoded) == (3, 0)
    assert photos(desk) == before
    photo = before["a.jpg"]
    assert (photo.author, photo.taken_source) == ("Zoë", "exif")
    assert photo.latitude == pytest.approx(48.1375)
    with desk.open() as library:
        assert library.annotation_matches(["zoe"]) == {photo.id: 1}, "what is read is found"


def test_they_are_asked_once(desk: Desk) -> None:
    (desk.photos / "a.jpg").write_bytes(jpeg(*TOLD))
    desk.index()
    age(desk, "author = NULL")
    index_without_a_model(desk)
    desk.execute("UPDATE photo SET author = 'kept'")
    index_without_a_model(desk)
    assert photos(desk)["a.jpg"].author == "kept"


def test_one_that_cannot_be_read_now_keeps_what_was_known(desk: Desk) -> None:
    path = desk.photos / "a.jpg"
    path.write_bytes(jpeg(*TOLD))
    desk.index()
    state = path.stat()
    age(desk, "author = 'as before'")
    path.write_bytes(bytes(state.st_size))  # damaged, though the file system does not tell
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    index_without_a_model(desk)
    assert photos(desk)["a.jpg"].author == "as before"


@pytest.mark.sqlite
def test_a_library_of_the_schema_before_keeps_its_dates_and_tries_again_what_it_could_not_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribble(desk.photos / "bad.png", 1)
    state = (desk.photos / "bad.png").stat()
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "HEAD", "0004")
        desk.open().close()
    with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection, connection:
        connection.execute("INSERT INTO folder VALUES (1, ?, '/', TRUE)", [bytes(desk.photos)])
        connection.execute(
            "INSERT INTO photo (id, digest, size, width, height, taken_at) VALUES (7, x'00', 9, 4, 3, 5)"
        )
        rows = [(b"a.png", 5, 9, 7, None), (b"bad.png", state.st_mtime_ns, state.st_size, None, "damaged or cut short")]
        connection.executemany("INSERT INTO location VALUES (1, ?, ?, ?, ?, ?, NULL)", rows)
    with desk.open() as library:
        (photo,) = library.photos([7])
    assert (photo.taken_at, photo.taken_source, photo.note) == (5, "exif", None)
    assert desk.index().changed == 1
    assert [photo.taken_source for photo in photos(desk).values()] == ["file"]
