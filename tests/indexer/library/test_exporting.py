from __future__ import annotations

import shutil
from hashlib import blake2b
from pathlib import Path

import piexif
from PIL import Image

from indexer.library.exporting import FIELDS, exported_photos
from indexer.library.writer import LibraryWriter
from tests.indexer.desk import Desk, scribble


def test_everything_known_of_each_photo_is_exported(desk: Desk) -> None:
    exif = {
        "0th": {piexif.ImageIFD.Model: b"Canon EOS 80D"},
        "Exif": {
            piexif.ExifIFD.DateTimeOriginal: b"2021:07:14 18:30:05",
            piexif.ExifIFD.OffsetTimeOriginal: b"-03:30",
        },
        "GPS": {1: b"N", 2: ((48, 1), (0, 1), (0, 1)), 3: b"W", 4: ((11, 1), (30, 1), (0, 1))},
    }
    path = desk.photos / "a.jpg"
    Image.new("RGB", (40, 30)).save(path, exif=piexif.dump(exif))
    shutil.copy(path, desk.photos / "b.jpg")
    (desk.photos / "broken.jpg").touch()
    desk.index()
    with desk.open() as library:
        library.annotate(1, caption="A caption", tags=["one", "two"], favourite=True)
        library.answer(library.teach_word("Rex").id, [1], shown=False)
        (photo,) = exported_photos(library)
    content = path.read_bytes()
    assert tuple(photo) == FIELDS
    assert photo == {
        "paths": [str(path), str(desk.photos / "b.jpg")],
        "digest": blake2b(content, digest_size=16).hexdigest(),
        "size": len(content),
        "width": 40,
        "height": 30,
        "taken": "2021-07-14T18:30:05-03:30",
        "taken_source": "exif",
        "camera": "Canon EOS 80D",
        "lens": None,
        "latitude": 48.0,
        "longitude": -11.5,
        "orientation": None,
        "title": None,
        "description": None,
        "keywords": [],
        "author": None,
        "city": None,
        "region": None,
        "country": None,
        "note": None,
        "caption": "A caption",
        "tags": ["one", "two"],
        "favourite": True,
        "not_shown": ["Rex"],
    }


def test_a_time_without_a_zone_has_none(desk: Desk) -> None:
    exif = piexif.dump({"Exif": {piexif.ExifIFD.DateTimeOriginal: b"1950:07:14 18:30:05"}})
    Image.new("RGB", (8, 8)).save(desk.photos / "a.jpg", exif=exif)
    desk.index()
    with desk.open() as library:
        assert [photo["taken"] for photo in exported_photos(library)] == ["1950-07-14T18:30:05"]


def test_hidden_photos_are_exported_only_for_what_was_written_about_them(desk: Desk, tmp_path: Path) -> None:
    for seed in (0, 1, 2, 4):
        scribble(desk.photos / f"{seed}.png", seed)
    scribble(tmp_path / "more" / "3.png", 3)
    desk.index(desk.photos, tmp_path / "more")
    with desk.open() as library:
        library.annotate(library.photo_at(desk.photos / "1.png").id, caption=None, tags=["kept"])
        library.annotate(library.photo_at(desk.photos / "4.png").id, caption=None, tags=[], favourite=True)
        with LibraryWriter.lock(library) as writer:
            writer.remove_folder(desk.photos)
        photos = list(exported_photos(library))
    kept = {(tuple(photo["paths"]), tuple(photo["tags"]), photo["favourite"]) for photo in photos}
    assert len(photos) == 3
    assert kept == {((), ("kept",), False), ((), (), True), ((str(tmp_path / "more" / "3.png"),), (), False)}
