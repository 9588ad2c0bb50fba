"""What tells that a library has changed, so that nobody shows what was found before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.library.view import LibraryView
from tests.indexer.desk import Desk, scribble


@pytest.fixture
def filled(desk: Desk) -> Desk:
    for seed, name in enumerate("abc"):
        scribble(desk.photos / f"{name}.png", seed)
    desk.index()
    return desk


def write_caption(library: LibraryView, photo_id: int) -> None:
    library.annotate(photo_id, caption="our cat", tags=[])


def delete_caption(library: LibraryView, photo_id: int) -> None:
    library.annotate(photo_id, caption=None, tags=[])


def tag(library: LibraryView, photo_id: int) -> None:
    library.annotate(photo_id, caption=None, tags=["cat"])


def make_favourite(library: LibraryView, photo_id: int) -> None:
    library.annotate(photo_id, caption=None, tags=[], favourite=True)


def teach(library: LibraryView, _photo_id: int) -> None:
    library.teach_word("Rex")


def say_no(library: LibraryView, photo_id: int) -> None:
    library.answer(library.teach_word("known").id, [photo_id], shown=False)


def rename(library: LibraryView, _photo_id: int) -> None:
    library.rename_taught_word(library.teach_word("known").id, "another")


def forget(library: LibraryView, _photo_id: int) -> None:
    library.delete_taught_word(library.teach_word("known").id, keep_tags=True)


@pytest.mark.parametrize("write", [write_caption, delete_caption, tag, make_favourite, teach, say_no, rename, forget])
def test_the_version_changes_when_people_write_but_not_that_of_the_photos(
    filled: Desk, write: Callable[[LibraryView, int], None]
) -> None:
    with filled.open() as library, filled.open() as other:
        photo_id = int(library.photo_ids()[0])
        library.annotate(photo_id, caption="my cat", tags=[])
        library.teach_word("known")
        before, photos_before = library.version(), library.photos_version()
        assert (library.version(), library.photos_version()) == (before, photos_before)
        write(library, photo_id)
        after = library.version()
        assert after != before
        write_caption(other, int(library.photo_ids()[1]))
        assert library.version() not in (before, after), "also by another process"
        assert library.photos_version() == photos_before


def add(photos: Path) -> None:
    scribble(photos / "new.png", 7)


def remove(photos: Path) -> None:
    (photos / "a.png").unlink()


def exchange(photos: Path) -> None:
    add(photos)
    remove(photos)


def replace(photos: Path) -> None:
    scribble(photos / "a.png", 8)


def copy(photos: Path) -> None:
    shutil.copy(photos / "a.png", photos / "the same bytes.png")


@pytest.mark.parametrize("change", [add, remove, exchange, replace, copy])
def test_both_versions_change_when_photos_come_or_go(filled: Desk, change: Callable[[Path], None]) -> None:
    with filled.open() as library:
        versions = library.version(), library.photos_version()
        change(filled.photos)
        filled.index()
        assert library.version() != versions[0]
        assert library.photos_version() != versions[1]


def test_who_only_reads_changes_no_version(filled: Desk) -> None:
    with filled.open() as library, filled.open() as other:
        versions = library.version(), library.photos_version()
        other.shortlist(np.ones(32, dtype=np.float32), 3)
        other.overview(newest=3)
        assert (library.version(), library.photos_version()) == versions
