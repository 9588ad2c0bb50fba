"""Pixel features outside the library's folder: on another disk, and in object storage."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.library.errors import FeaturesMissing, FilesUnreachable
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from model.quantization import quantize
from tests.indexer.desk import Desk, scribble
from tests.indexer.object_server import ROOT, FolderPlace, Place, keep_files_in, move_features

pytestmark = pytest.mark.sqlite  # nothing here depends on the catalog


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A library of three photos with all in its folder: to be read only."""
    folder = tmp_path_factory.mktemp("inside")
    for number in range(3):
        scribble(folder / "photos" / f"{number}.png", number)
    desk = Desk(folder / "photos", folder / "library")
    desk.index()
    return desk


def copy_of(desk: Desk, library: Path, url: str, *batches: list[int]) -> Desk:
    """The library with the pixel features elsewhere, in a shard for each of these batches of photos."""
    copy = Desk(desk.photos, shutil.copytree(desk.library, library))
    keep_files_in(copy.library, url)
    with copy.open() as opened:
        move_features(opened, *batches)
    return copy


@pytest.fixture
def elsewhere(inside: Desk, place: Place, tmp_path: Path) -> Desk:
    """The same library with a shard for each photo."""
    return copy_of(inside, tmp_path / "library", place.url, [1], [2], [3])


@pytest.fixture
def together(inside: Desk, place: Place, tmp_path: Path) -> Desk:
    """The same library with one shard for all photos."""
    return copy_of(inside, tmp_path / "library", place.url, [1, 2, 3])


def features(desk: Desk, *photo_ids: int) -> dict[int, NDArray[np.float32]]:
    with desk.open() as library:
        return library.pixel_features(photo_ids or (1, 2, 3))


def shards(place: Place) -> list[str]:
    return [name for name in place.names() if "/features/" in name]


def problems(desk: Desk) -> list[str]:
    with desk.open() as library:
        return [str(problem) for problem in verify(library)]


def repair(desk: Desk) -> None:
    with desk.open() as library, LibraryWriter.lock(library) as writer:
        writer.repair()
    desk.index()


def test_pixel_features_are_the_same_wherever_they_lie(elsewhere: Desk, place: Place, inside: Desk) -> None:
    there, here = features(elsewhere), features(inside)
    assert there.keys() == here.keys() == {1, 2, 3}
    assert all(np.array_equal(there[photo_id], here[photo_id]) for photo_id in here)
    assert len(shards(place)) == 3
    assert problems(elsewhere) == []


def test_a_photo_that_is_encoded_again_is_read_from_its_new_shard_and_the_old_one_goes(
    elsewhere: Desk, place: Place
) -> None:
    old, before = shards(place), features(elsewhere)
    with elsewhere.open() as library, LibraryWriter.lock(library) as writer:
        writer.repair([2])
    elsewhere.index()
    assert len(shards(place)) == 3
    assert len(set(old) - set(shards(place))) == 1
    assert np.array_equal(features(elsewhere)[2], before[2])


def test_the_features_of_removed_photos_go_and_those_beside_them_in_a_shard_stay(together: Desk, place: Place) -> None:
    (shard,), before = shards(place), features(together)
    with together.open() as library, LibraryWriter.lock(library) as writer:
        writer.encodings.remove([2])
        assert [len(place.read(name)) for name in shards(place)] == [2 * len(quantize(before[1]))]
        assert shards(place) != [shard]
        after = library.pixel_features([1, 2, 3])
        assert after.keys() == {1, 3}
        assert np.array_equal(after[3], before[3])
        writer.encodings.remove([1, 3])
        assert shards(place) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(elsewhere: Desk, place: Place) -> None:
    needed = shards(place)
    with elsewhere.open() as library:
        origin = library.encodings.origin()
        assert origin is not None
        library.encodings._shards.write(origin.token, {77: b"of a batch that was never committed"})
    (orphan,) = set(shards(place)) - set(needed)
    place.write(orphan, b"of a ba")
    if isinstance(place, FolderPlace):
        place.write(f"{orphan}.0123abcd.new", b"half written")
    elsewhere.index()
    assert shards(place) == needed
    assert problems(elsewhere) == []


@pytest.mark.parametrize("fault", ["missing", "cut", "emptied", "changed"])
def test_a_search_goes_on_without_the_photos_of_a_spoilt_shard_and_a_repair_makes_it_again(
    elsewhere: Desk, place: Place, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    before, spoilt = features(elsewhere), shards(place)[0]
    content = place.read(spoilt)
    if fault == "missing":
        place.remove(spoilt)
    else:
        wrong = {"cut": content[:-1], "emptied": b"", "changed": content[:-1] + bytes([content[-1] ^ 1])}
        place.write(spoilt, wrong[fault])
    with caplog.at_level(logging.WARNING):
        left = features(elsewhere)
    (lost,) = before.keys() - left.keys()
    assert all(np.array_equal(left[photo_id], before[photo_id]) for photo_id in left)
    assert spoilt.partition("/")[2] in caplog.text
    assert "of 1 of 3 photos cannot be read; `pixelseek library verify --repair`" in caplog.text
    with pytest.raises(FeaturesMissing, match="is missing or damaged"):
        features(elsewhere, lost)
    assert "1 photos have no pixel features" in "".join(problems(elsewhere))
    repair(elsewhere)
    again = features(elsewhere)
    assert all(np.array_equal(again[photo_id], before[photo_id]) for photo_id in before)
    assert problems(elsewhere) == []
    assert len(shards(place)) == 3


def test_a_reader_that_looked_up_a_shard_before_it_was_rewritten_looks_again(together: Desk) -> None:
    before = features(together)
    with together.open() as reader, together.open() as other, LibraryWriter.lock(other) as writer:
        read = reader.encodings._shards._contents
        looked_up = reader.encodings._shards._places([1, 3])
        writer.encodings.remove([2])
        assert read(looked_up) == {}
        assert np.array_equal(reader.pixel_features([1, 3])[3], before[3])


def test_other_weights_leave_nothing_of_the_old_ones(elsewhere: Desk, place: Place) -> None:
    old = shards(place)
    elsewhere.index(generation="others")
    assert len(shards(place)) == 1
    assert not set(shards(place)) & set(old)
    with elsewhere.open(generation="others") as library:
        assert library.pixel_features([1, 2, 3]).keys() == {1, 2, 3}


def test_encodings_that_a_person_deleted_leave_nothing_behind(elsewhere: Desk, place: Place) -> None:
    old = shards(place)
    (elsewhere.library / "encodings-colours.sqlite").unlink()
    elsewhere.index()
    assert len(shards(place)) == 1
    assert not set(shards(place)) & set(old)
    assert features(elsewhere).keys() == {1, 2, 3}


def test_two_libraries_share_a_place_and_do_not_touch_each_other(
    inside: Desk, elsewhere: Desk, place: Place, tmp_path: Path
) -> None:
    first = shards(place)
    other = copy_of(inside, tmp_path / "other", place.url, [1, 2, 3])
    elsewhere.index()
    assert set(first) < set(shards(place))
    assert features(other).keys() == features(elsewhere).keys() == {1, 2, 3}


def test_a_disk_that_is_away_is_an_error_and_loses_nothing(inside: Desk, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "disk")
    desk = copy_of(inside, tmp_path / "library", place.url, [1, 2, 3])
    desk.photos = shutil.copytree(inside.photos, tmp_path / "photos")
    place.folder.rename(tmp_path / "unplugged")
    place.folder.mkdir()  # where it was mounted
    with pytest.raises(FilesUnreachable, match=r"are not at file://.*Is the disk there"):
        features(desk, 1)
    with pytest.raises(FilesUnreachable):
        repair(desk)
    scribble(desk.photos / "b.png", 9)
    with pytest.raises(FilesUnreachable):
        desk.index()
    assert not list(place.folder.iterdir())
    place.folder.rmdir()
    (tmp_path / "unplugged").rename(place.folder)
    desk.index()
    assert features(desk, 1, 2, 3, 4).keys() == {1, 2, 3, 4}
    assert problems(desk) == []


def test_a_library_may_begin_to_keep_its_files_elsewhere(inside: Desk, place: Place, tmp_path: Path) -> None:
    desk = copy_of(inside, tmp_path / "library", place.url, [2])
    assert features(desk).keys() == {1, 2, 3}
    assert len(shards(place)) == 1
    assert problems(desk) == []


def test_files_in_a_folder_need_no_fsspec(inside: Desk, tmp_path: Path) -> None:
    elsewhere = copy_of(inside, tmp_path / "library", (tmp_path / "disk").as_uri(), [1])
    script = (
        "import sys; from indexer.library.view import LibraryView\n"
        "for library in sys.argv[1:]: assert LibraryView.open(library).pixel_features([1]).keys() == {1}\n"
        "assert 'fsspec' not in sys.modules"
    )
    command = [sys.executable, "-c", script, str(inside.library), str(elsewhere.library)]
    subprocess.run(command, cwd=ROOT, check=True)


def test_the_files_of_a_library_move(inside: Desk, tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "disk with a space")
    desk = copy_of(inside, tmp_path / "library", place.url, [1])
    shutil.move(place.folder, tmp_path / "new disk")
    keep_files_in(desk.library, (tmp_path / "new disk").as_uri())
    assert features(desk).keys() == {1, 2, 3}
