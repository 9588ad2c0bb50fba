"""Pixel features that are moved between the library's folder and other places, where each is read again."""

from __future__ import annotations

import itertools
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from indexer.library import sqlite
from indexer.library.errors import FeaturesMissing, FilesUnreachable, LibraryError, LibraryLocked
from indexer.library.moving_files import move_files
from indexer.library.settings import FILES_IN_FOLDER, Settings
from indexer.library.verification import verify
from tests.indexer.desk import Desk, scribble
from tests.indexer.library.killed_move import killed_move
from tests.indexer.object_server import FolderPlace, Place

pytestmark = pytest.mark.sqlite  # nothing here depends on the catalog
PHOTOS = 40  # more than are moved at once


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A library with all in its folder: to be read only."""
    folder = tmp_path_factory.mktemp("inside")
    for number in range(PHOTOS):
        scribble(folder / "photos" / f"{number}.png", number)
    desk = Desk(folder / "photos", folder / "library")
    desk.index()
    return desk


@pytest.fixture
def desk(inside: Desk, tmp_path: Path) -> Desk:
    return Desk(inside.photos, shutil.copytree(inside.library, tmp_path / "library"))


def features(desk: Desk) -> np.ndarray:
    with desk.open() as library:
        assert verify(library) == []
        return np.stack([library.pixel_features([number])[number] for number in range(1, PHOTOS + 1)])


def shards(place: Place) -> list[str]:
    return [name for name in place.names() if "/features/" in name]


def in_file(desk: Desk) -> int:
    with desk.open() as library:
        return library.encodings.count_features(in_file=True)


def test_out_of_the_folder_on_to_another_place_and_back(desk: Desk, place: Place, tmp_path: Path) -> None:
    other = FolderPlace(tmp_path / "third")
    before, encoded = features(desk), desk.runtime.photos_encoded
    (encodings,) = desk.library.glob("encodings-*.sqlite")
    steps: list[tuple[int, int]] = []

    report = move_files(desk.library, FILES_IN_FOLDER, place.url, progress=lambda done, all: steps.append((done, all)))
    assert (report.moved, report.kept, steps) == (PHOTOS, "", [(32, PHOTOS), (PHOTOS, PHOTOS)])
    assert (Settings.load(desk.library).files, in_file(desk), len(shards(place))) == (place.url, 0, 2)
    assert np.array_equal(features(desk), before)
    small = encodings.stat().st_size

    report = move_files(desk.library, place.url, other.url)
    assert (report.moved, report.kept.startswith((place.url, place.url.removeprefix("file://")))) == (2, True)
    assert shards(other) == shards(place)
    assert np.array_equal(features(desk), before)

    report = move_files(desk.library, other.url, FILES_IN_FOLDER)
    assert (report.moved, in_file(desk)) == (PHOTOS, PHOTOS)
    assert Settings.load(desk.library).files == FILES_IN_FOLDER
    for name in shards(other):
        other.remove(name)
    assert np.array_equal(features(desk), before)
    assert encodings.stat().st_size > small
    assert desk.index().unchanged == PHOTOS
    assert desk.runtime.photos_encoded == encoded


def test_a_damaged_or_missing_file_or_a_full_disk_is_named_and_the_setting_stays(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, other = FolderPlace(tmp_path / "elsewhere"), FolderPlace(tmp_path / "third")
    move_files(desk.library, FILES_IN_FOLDER, place.url)
    first, last = shards(place)
    content = place.read(last)
    place.write(last, b"x" + content[1:])
    for target in (other.url, FILES_IN_FOLDER):
        with pytest.raises(FeaturesMissing, match=r"missing or damaged|cannot be read"):
            move_files(desk.library, place.url, target)
        assert Settings.load(desk.library).files == place.url
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(LibraryError, match=r"has 10 bytes free, and \d[\d,]+ are needed"):
            move_files(desk.library, place.url, FILES_IN_FOLDER)
    place.write(last, content)
    place.remove(first)
    with pytest.raises(FeaturesMissing, match=first.partition("/")[2]):
        move_files(desk.library, place.url, FolderPlace(tmp_path / "fourth").url)


def test_a_move_that_makes_no_sense_changes_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.1)
    place = FolderPlace(tmp_path / "elsewhere")
    for source, target, reason in (
        (place.url, place.url, "is the same place"),
        (place.url, "file:///other", f"are in the library's folder, not {place.url}"),
        (FILES_IN_FOLDER, "s3://key:secret@host/x", "files must be"),
    ):
        with pytest.raises(LibraryError, match=reason):
            move_files(desk.library, source, target)
    with desk.open() as library:
        library.status()
        with pytest.raises(LibraryLocked, match="Stop `pixelseek serve`"):
            move_files(desk.library, FILES_IN_FOLDER, place.url)
    (tmp_path / "elsewhere").write_text("a file, no folder")
    with pytest.raises(FilesUnreachable):
        move_files(desk.library, FILES_IN_FOLDER, place.url)
    assert in_file(desk) == PHOTOS


@pytest.mark.scale
@pytest.mark.parametrize(("function", "count"), [("commit", 1), ("_contents", 1), ("__call__", 1), ("shrink", 1)])
def test_a_move_that_was_killed_loses_nothing_and_is_ended_by_the_next(
    desk: Desk, tmp_path: Path, function: str, count: int
) -> None:
    before = features(desk)
    places = [FILES_IN_FOLDER, FolderPlace(tmp_path / "b").url, FolderPlace(tmp_path / "c").url, FILES_IN_FOLDER]
    for source, target in itertools.pairwise(places):
        run = killed_move("files", desk.library, source, target, function, count)
        assert run.returncode in (0, -signal.SIGKILL), run.stderr
        if run.returncode:
            assert np.array_equal(features(desk), before)
            move_files(desk.library, source, target)
        assert Settings.load(desk.library).files == target
        assert np.array_equal(features(desk), before)
