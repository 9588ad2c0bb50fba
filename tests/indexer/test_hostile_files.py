"""Files that mean harm are read as photos or noted with a reason; nothing crashes, hangs or swells."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from indexer.decoding import Failure, ReadPhoto, read_photo
from indexer.workers import ReadRequest, read_photos
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import Desk
from tests.indexer.hostile import hostile, mutated, sound

PROCESSOR = colour_processor()
MUTATED = 400
NEVER = {Failure.TIMED_OUT, Failure.CRASHED, Failure.OUT_OF_MEMORY, Failure.UNREADABLE}
REFUSED = {Failure.DAMAGED, Failure.NOT_A_PHOTO, Failure.NO_PREVIEW, Failure.UNKNOWN_TIFF}
READ = {
    *("bomb-within-limits.png", "jpeg-then-zip.jpg", "gif-then-zip.gif", "png-then-script.png", "upside-down.bmp"),
    *("jpeg-named.png", "png-named.heic", "heic-named.tif", "loop-of-directories.jpg", "counts-lie.jpg"),
    *("offset-lies.jpg", "tiff-in-jpeg.jpg", "laughs.png", "laughs.jpg"),
    *(name for name in hostile() if name.startswith(("one-pixel", "ribbon", "tower", "exif-lie"))),
}


def read(path: Path, content: bytes) -> ReadPhoto | Failure:
    path.write_bytes(content)
    return read_photo(str(path), frozenset(), PROCESSOR)


@pytest.mark.parametrize("name", sound())
def test_a_sound_photo_of_every_variant_is_read(tmp_path: Path, name: str) -> None:
    assert isinstance(read(tmp_path / name, sound()[name]), ReadPhoto)


@pytest.mark.parametrize("name", hostile())
def test_a_file_that_means_harm_is_read_or_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(hostile()[name])
    (outcome,) = read_photos([ReadRequest(str(tmp_path / name))], PROCESSOR, workers=1)
    if name in READ:
        assert isinstance(outcome, ReadPhoto), outcome
    else:
        assert isinstance(outcome, Failure)
        assert outcome not in NEVER


@pytest.mark.parametrize("name", sound())
def test_a_photo_cut_anywhere_is_read_or_refused(tmp_path: Path, name: str) -> None:
    content = sound()[name]
    for length in {*range(1, 80), *range(80, len(content), max(1, len(content) // 40))}:
        outcome = read(tmp_path / name, content[:length])
        assert isinstance(outcome, ReadPhoto) or outcome in REFUSED, length


def test_each_of_many_spoilt_files_is_noted_and_the_sound_ones_among_them_are_found(desk: Desk) -> None:
    for name, content in itertools.chain(sound().items(), itertools.islice(mutated(0), MUTATED)):
        (desk.photos / name).write_bytes(content)
    report = desk.index()
    assert report.found == len(sound()) + MUTATED
    assert report.added + report.failed == report.found
    with desk.open() as library:
        failures = dict(library.status().failures)
        assert set(failures.values()) <= {*REFUSED, Failure.TOO_MANY_PIXELS}
        assert not any(str(desk.photos / name) in failures for name in sound())
