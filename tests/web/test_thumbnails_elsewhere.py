"""Thumbnails that are kept on another disk or in object storage."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from indexer.library.library_files import open_file_store
from indexer.library.photo import PhotoRecord
from indexer.library.view import LibraryView
from tests.indexer.object_server import Place, keep_files_in
from web.thumbnails import SMALL, PhotoUnreadable, Thumbnails


@pytest.fixture
def view(library: Path, place: Place) -> Iterator[LibraryView]:
    keep_files_in(library, place.url)
    with LibraryView.open(library) as opened, Flask(__name__).test_request_context():
        yield opened


@pytest.fixture
def photo(view: LibraryView, tmp_path: Path) -> PhotoRecord:
    """A photo of the library in a file of its own, which may be changed."""
    record = view.photo(2)
    return replace(record, path=shutil.copy(record.path, str(tmp_path / "photo.jpg")))


def opened(view: LibraryView) -> closing[Thumbnails]:
    return closing(Thumbnails(view.path, lambda: open_file_store(view.path, view.catalog)))


def kept(place: Place) -> list[str]:
    return [name for name in place.names() if "/thumbnails/" in name]


def test_a_thumbnail_is_made_once_and_anew_when_the_file_changes(
    view: LibraryView, photo: PhotoRecord, place: Place
) -> None:
    in_folder = sorted((view.path / "thumbnails").rglob("*"))  # of other tests
    with opened(view) as thumbnails:
        content = thumbnails.read(photo, SMALL)
        (name,) = kept(place)
        assert place.read(name) == content
        place.write(name, b"kept, not made again")
        assert thumbnails.read(photo, SMALL) == b"kept, not made again"
        os.utime(photo.path, ns=(1, 1))
        assert thumbnails.read(photo, SMALL) == content
        assert len(kept(place)) == 1
        assert kept(place) != [name], "the old one is gone"
        Path(photo.path).unlink()
        assert thumbnails.read(photo, SMALL) == content
        with pytest.raises(PhotoUnreadable):
            thumbnails.read(replace(photo, id=77), SMALL)
    assert sorted((view.path / "thumbnails").rglob("*")) == in_folder


def test_a_photo_is_shown_while_the_place_is_away(view: LibraryView, photo: PhotoRecord, place: Place) -> None:
    with opened(view) as thumbnails:
        content = thumbnails.read(photo, SMALL)
    for name in place.names():
        place.remove(name)
    with opened(view) as thumbnails:
        assert thumbnails.read(photo, SMALL) == content
    assert kept(place) == []


def test_two_libraries_do_not_mix_their_thumbnails(
    view: LibraryView, photo: PhotoRecord, place: Place, indexed: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(indexed, tmp_path / "other")
    keep_files_in(other, place.url)
    with LibraryView.open(other) as second, opened(view) as ours, opened(second) as theirs:
        assert ours.read(photo, SMALL) == theirs.read(photo, SMALL)
    assert len(kept(place)) == 2
