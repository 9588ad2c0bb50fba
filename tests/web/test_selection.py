"""Many photos at once: a zip archive, a list of paths, tags and favourites."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.originals import Original
from tests.engine.libraries import PHOTO_COUNT, index
from tests.web.applications import hits, opened, token
from web.archive import NOTE, zip_chunks

ZIP, ANNOTATIONS = "/api/v1/photos/zip", "/api/v1/photos/annotations"


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photos, tmp_path / "photos"))


@pytest.fixture
def client(folder: Path, tmp_path: Path, weights: Path) -> Iterator[FlaskClient]:
    index(tmp_path / "library", folder, weights)
    with opened(tmp_path / "library", weights) as app:
        yield app.test_client()


def found(client: FlaskClient) -> tuple[list[int], list[Path]]:
    """The ids and paths of all photos."""
    every = hits(client, limit=PHOTO_COUNT)
    return [hit["photo_id"] for hit in every], [Path(hit["path"]) for hit in every]


def submit(client: FlaskClient, what: str, photo_ids: list[int], **fields: Any) -> Any:
    return client.post(f"/selection/{what}", data={"photo": photo_ids, "csrf_token": token(client), **fields})


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as opened_archive:
        assert opened_archive.testzip() is None
        return {name: opened_archive.read(name) for name in opened_archive.namelist()}


def test_an_archive_holds_the_files_as_they_are(client: FlaskClient) -> None:
    photo_ids, paths = found(client)
    for answer in (client.post(ZIP, json={"photo_ids": photo_ids}), submit(client, "zip", photo_ids)):
        assert answer.mimetype == "application/zip"
        assert answer.headers["Content-Disposition"] == "attachment; filename=pixelseek-12-photos.zip"
        files = unzipped(answer.data)
        assert sorted(files.values()) == sorted(path.read_bytes() for path in paths)
        assert "scene 03.jpg" in files
        assert "caf_.jpg" in files, "a byte that is no text, and a line break"


def test_what_cannot_be_read_is_named_and_spoils_nothing(client: FlaskClient) -> None:
    photo_ids, paths = found(client)
    paths[0].unlink()
    paths[1].write_bytes(b"something else")
    files = unzipped(client.post(ZIP, json={"photo_ids": [*photo_ids, 123456]}).data)
    assert len(files) == PHOTO_COUNT - 2 + 1
    note = files[NOTE].decode()
    assert f"{paths[1].name} in {paths[1].parent} has changed since it was indexed" in note
    assert "was moved or deleted since it was indexed" in note
    assert "this photo has no file in the library any more" in note


def test_an_archive_without_any_file_is_refused(client: FlaskClient) -> None:
    photo_ids, paths = found(client)
    paths[0].unlink()
    answer = client.post(ZIP, json={"photo_ids": photo_ids[:1]})
    assert answer.status_code == 404
    assert "was moved or deleted" in answer.get_json(force=True)["detail"]
    assert client.post(ZIP, json={"photo_ids": [123456]}).status_code == 404


@pytest.mark.parametrize("photo_ids", [[], [-1], [2**63], ["1"], [1.5], list(range(10_001))])
def test_a_selection_that_makes_no_sense_is_refused(client: FlaskClient, photo_ids: list[Any]) -> None:
    assert client.post(ZIP, json={"photo_ids": photo_ids}).status_code == 400
    if photo_ids != ["1"]:  # a form has text only
        assert submit(client, "paths", photo_ids).status_code == 400


def test_archives_do_not_take_all_threads_of_the_server(client: FlaskClient) -> None:
    photo_ids, _ = found(client)
    under_way = [client.post(ZIP, json={"photo_ids": photo_ids}, buffered=False) for _ in range(2)]
    assert client.post(ZIP, json={"photo_ids": photo_ids}).status_code == 503
    for answer in under_way:
        answer.close()
    assert client.post(ZIP, json={"photo_ids": photo_ids}).status_code == 200


@pytest.mark.parametrize("asks", ["a program", "a form"])
def test_archives_are_sent_again_once_the_disk_of_the_library_is_back(
    client: FlaskClient, tmp_path: Path, asks: str
) -> None:
    photo_ids, _ = found(client)
    form = {"photo": photo_ids, "csrf_token": token(client)}

    def ask() -> int:
        if asks == "a form":
            return client.post("/selection/zip", data=form).status_code
        return client.post(ZIP, json={"photo_ids": photo_ids}).status_code

    (tmp_path / "library").rename(tmp_path / "away")
    assert [ask() for _ in range(3)] == [503] * 3
    (tmp_path / "away").rename(tmp_path / "library")
    assert ask() == 200


def original(path: Path) -> Original:
    status = path.stat()
    return Original(str(path), path.open("rb"), status.st_size, status.st_mtime_ns)


def test_equal_names_get_a_number(tmp_path: Path) -> None:
    names = ["a/x.jpg", "b/x.jpg", "c/X.JPG", f"d/{NOTE}", "e/x-2.jpg", "f/back\\slash.jpg", "g/.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    files = unzipped(b"".join(zip_chunks(original(tmp_path / name) for name in names)))
    assert list(files.values()) == [name.encode() for name in names]
    assert len({name.casefold() for name in files}) == len(names)
    assert all("\\" not in name and "/" not in name for name in files)


def test_a_file_that_cannot_be_read_to_its_end_does_not_spoil_the_others(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            if not content:
                raise OSError(5, "Input/output error")
            return content

    (tmp_path / "old.jpg").write_bytes(b"old")
    os.utime(tmp_path / "old.jpg", (0, 0))
    broken = Original("/photos/broken.jpg", Failing(b"half"), 8, 2**62)
    files = unzipped(b"".join(zip_chunks([broken, original(tmp_path / "old.jpg")])))
    assert (files["broken.jpg"], files["old.jpg"]) == (b"half", b"old")
    assert "broken.jpg is not whole: its file cannot be read further (Input/output error)." in files[NOTE].decode()


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    sizes = [len(chunk) for chunk in zip_chunks(original(large) for _ in range(3))]
    assert sum(sizes) > 150_000_000
    assert max(sizes) < 1_000_000


def test_the_paths_come_a_line_each_in_the_bytes_that_they_have(client: FlaskClient) -> None:
    photo_ids, paths = found(client)
    answer = submit(client, "paths", photo_ids)
    assert answer.mimetype == "text/plain"
    assert answer.data == b"".join(os.fsencode(path) + b"\n" for path in paths)


def test_many_photos_are_tagged_and_made_favourites(client: FlaskClient) -> None:
    photo_ids, _ = found(client)
    answer = client.patch(ANNOTATIONS, json={"photo_ids": [*photo_ids[:3], 123456], "tag": ["beach"]})
    assert sorted(answer.get_json()["changed"]) == sorted(photo_ids[:3])
    answer = client.patch(ANNOTATIONS, json={"photo_ids": photo_ids[:4], "tag": ["beach"], "favourite": True})
    assert sorted(answer.get_json()["changed"]) == sorted(photo_ids[:4])
    assert client.patch(ANNOTATIONS, json={"photo_ids": photo_ids[:4], "favourite": True}).get_json() == {"changed": []}
    assert len(hits(client, q="tag:beach favourite:yes")) == 4
    client.patch(ANNOTATIONS, json={"photo_ids": photo_ids[:1], "untag": ["beach"]})
    assert len(hits(client, q="tag:beach")) == 3


def test_a_refused_tag_changes_no_photo(client: FlaskClient) -> None:
    photo_ids, paths = found(client)
    many = [f"tag {number}" for number in range(100)]
    client.patch(f"/api/v1/photos/{photo_ids[2]}/annotation", json={"tags": many})
    answer = client.patch(ANNOTATIONS, json={"photo_ids": photo_ids, "tag": ["one more"]})
    assert answer.status_code == 400
    assert f"{paths[2].name}: 101 tags are more than 100" in answer.get_json(force=True)["detail"]
    assert hits(client, q='tag:"one more"') == []


def test_a_page_without_scripts_tags_too_and_leads_back(client: FlaskClient) -> None:
    photo_ids, _ = found(client)
    page = submit(client, "tag", photo_ids[:2], tag="Rex & I", back="/?q=a+dog").text
    assert "2 photos are tagged Rex &amp; I now" in page
    assert 'href="/?q=a+dog"' in page
    assert "1 photo is favourites now" not in page
    page = submit(client, "favourite", photo_ids[:1], back="//elsewhere.example/").text
    assert "elsewhere" not in page
    assert len(hits(client, q="favourite:yes")) == 1
    assert submit(client, "tag", photo_ids[:2], tag=" ").status_code == 400
