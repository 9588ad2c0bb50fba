"""Files of a library that another takes the place of while a server answers from it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter, discard_damaged_encodings
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.indexer.crashes import age
from tests.web.applications import hits, opened

Replace = Callable[[Path, Path], None]


def move(new: Path, path: Path) -> None:
    new.replace(path)


def copy_over(new: Path, path: Path) -> None:
    shutil.copyfile(new, path)


def delete_and_copy(new: Path, path: Path) -> None:
    for name in ("", "-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    shutil.copyfile(new, path)


def delete(_: Path, path: Path) -> None:
    path.unlink()


def empty(_: Path, path: Path) -> None:
    path.write_bytes(b"")


WAYS = [move, copy_over, delete_and_copy]


@pytest.fixture
def client(library: Path, weights: Path) -> Iterator[FlaskClient]:
    """Of a server that has already answered."""
    with opened(library, weights) as app:
        client = app.test_client()
        assert len(hits(client)) == PHOTO_COUNT
        yield client


def backup(path: Path, folder: Path) -> Path:
    """As the handbook says."""
    copy = folder / f"copy of {path.name}"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def caption_of(client: FlaskClient, photo_id: int) -> str | None:
    answer = client.get(f"/api/v1/photos/{photo_id}").json
    assert answer
    caption: str | None = answer["caption"]
    return caption


@pytest.mark.parametrize("replace", WAYS)
def test_a_catalog_restored_from_a_backup_is_read(
    client: FlaskClient, library: Path, weights: Path, tmp_path: Path, replace: Replace
) -> None:
    with LibraryView.open(library, generation=generation(weights)) as writer:
        writer.annotate(1, caption="as it was", tags=[])
        copy = backup(library / "catalog.sqlite", tmp_path)
        writer.annotate(1, caption="a mistake", tags=[])
    assert caption_of(client, 1) == "a mistake"
    replace(copy, library / "catalog.sqlite")
    assert caption_of(client, 1) == "as it was"
    assert len(hits(client)) == PHOTO_COUNT
    with LibraryView.open(library, generation=generation(weights)) as writer:
        writer.annotate(1, caption="a new one", tags=[])
        assert [one for one in verify(writer) if "--repair" in one.message] == []
    assert caption_of(client, 1) == "a new one"


def test_a_catalog_of_an_older_pixelseek_is_migrated(client: FlaskClient, library: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = tmp_path / "old" / "catalog.sqlite"
    backup(library / "catalog.sqlite", tmp_path).replace(old)
    age(old.parent)
    old.replace(library / "catalog.sqlite")
    assert len(hits(client)) == PHOTO_COUNT
    assert caption_of(client, 1) is None
    assert list(library.glob("catalog-before-*.sqlite"))


def test_a_catalog_that_is_missing_for_a_while_is_said_and_not_made_anew(
    client: FlaskClient, library: Path, tmp_path: Path
) -> None:
    copy = backup(library / "catalog.sqlite", tmp_path)
    for path in library.glob("catalog.sqlite*"):
        path.unlink()
    answer = client.get("/api/v1/search", query_string={"q": SENTENCE})
    assert answer.status_code == 503
    assert "catalog.sqlite is missing. Put a backup in its place" in answer.text
    assert "catalog.sqlite is missing" in client.get("/").text
    assert not (library / "catalog.sqlite").exists()
    copy.replace(library / "catalog.sqlite")
    assert len(hits(client)) == PHOTO_COUNT


@pytest.mark.parametrize("replace", WAYS)
def test_encodings_that_are_replaced_are_read(
    client: FlaskClient, library: Path, photos: Path, weights: Path, tmp_path: Path, replace: Replace
) -> None:
    encodings = library / f"encodings-{generation(weights)}.sqlite"
    copy = backup(encodings, tmp_path)
    more = tmp_path / "more"
    more.mkdir()
    (more / "new.jpg").write_bytes((photos / "scene 03.jpg").read_bytes() + b"other bytes")
    index(library, more, weights)
    assert len(hits(client)) == PHOTO_COUNT + 1
    replace(copy, encodings)
    assert len(hits(client)) == PHOTO_COUNT  # without what the copy does not have
    index(library, more, weights)
    assert len(hits(client)) == PHOTO_COUNT + 1


def test_encodings_that_are_deleted_and_made_again_are_read(
    client: FlaskClient, library: Path, photos: Path, weights: Path
) -> None:
    expected = [hit["photo_id"] for hit in hits(client)]
    for path in library.glob("encodings-*"):
        path.unlink()
    assert hits(client) == []
    index(library, photos, weights)
    assert [hit["photo_id"] for hit in hits(client)] == expected


def test_encodings_that_repair_makes_again_are_read(
    client: FlaskClient, library: Path, photos: Path, weights: Path
) -> None:
    expected = [hit["photo_id"] for hit in hits(client)]
    encodings = library / f"encodings-{generation(weights)}.sqlite"
    content = bytearray(encodings.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    encodings.write_bytes(content)
    assert client.get("/api/v1/search", query_string={"q": SENTENCE}).status_code == 503
    discard_damaged_encodings(library, generation(weights))
    with (
        LibraryView.open(library, generation=generation(weights)) as opened_library,
        LibraryWriter.lock(opened_library) as writer,
    ):
        writer.repair()
    index(library, photos, weights)
    assert [hit["photo_id"] for hit in hits(client)] == expected


@pytest.mark.parametrize("replace", [*WAYS, delete, empty])
def test_an_index_that_is_replaced_deleted_or_emptied_costs_no_hit(
    client: FlaskClient, library: Path, photos: Path, weights: Path, tmp_path: Path, replace: Replace
) -> None:
    index_file = library / f"index-{generation(weights)}.faiss"
    old = shutil.copyfile(index_file, tmp_path / "old.faiss")
    more = tmp_path / "more"
    more.mkdir()
    (more / "new.jpg").write_bytes((photos / "scene 03.jpg").read_bytes() + b"other bytes")
    index(library, more, weights)
    expected = hits(client, rerank="false")
    assert len(expected) == PHOTO_COUNT + 1
    replace(old, index_file)
    assert hits(client, rerank="false") == expected
