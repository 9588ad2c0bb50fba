from __future__ import annotations

import io
import json
import re
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from tests.engine.libraries import PHOTO_COUNT
from tests.web.applications import busy, token
from web.searches import ModelQueue
from web.service import service_of
from web.uploads import MAX_UPLOAD_BYTES


@pytest.fixture(autouse=True)
def _no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == [], "an upload was kept"


def send(client: FlaskClient, content: bytes, address: str = "/api/v1/similar?limit=5") -> tuple[int, str]:
    data = {"photo": (io.BytesIO(content), "photo.jpg"), "csrf_token": token(client)}
    answer = client.post(address, data=data, content_type="multipart/form-data", follow_redirects=True)
    return answer.status_code, answer.text


def test_a_photo_that_is_sent_finds_similar_ones(client: FlaskClient, photos: Path) -> None:
    turned = io.BytesIO()
    with Image.open(photos / "scene 01.jpg") as photo:
        photo.rotate(1).save(turned, "PNG")
    status, text = send(client, turned.getvalue())
    assert status == 200
    paths = [hit["path"] for hit in json.loads(text)["hits"]]
    assert len(paths) == 5
    assert paths[0] == str(photos / "scene 01.jpg")


def test_the_page_shows_them(client: FlaskClient, photos: Path) -> None:
    assert 'type="file"' in client.get("/similar").text
    status, page = send(client, (photos / "scene 02.jpg").read_bytes(), "/similar")
    assert status == 200
    assert page.count("/thumbnail") == PHOTO_COUNT - 1, "not the photo itself"


def test_the_address_of_the_results_names_the_upload(client: FlaskClient, photos: Path) -> None:
    data = {"photo": (io.BytesIO((photos / "scene 02.jpg").read_bytes()), "photo.jpg"), "csrf_token": token(client)}
    answer = client.post("/similar", data=data, content_type="multipart/form-data")
    assert answer.status_code == 303
    page = client.get(answer.location)
    assert page.status_code == 200
    assert client.get(answer.location).text.count("/thumbnail") == page.text.count("/thumbnail"), "loaded again"
    preview = client.get(re.search(r'src="(/similar/[^"]+/preview)"', page.text)[1])  # type: ignore[index]
    with Image.open(io.BytesIO(preview.data)) as image, Image.open(photos / "scene 02.jpg") as photo:
        assert image.format == "WEBP"
        assert image.width / image.height == pytest.approx(photo.width / photo.height, rel=0.02)


def test_an_upload_is_forgotten_when_many_others_came(
    client: FlaskClient, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.uploads._MAX_KEPT", 0)
    status, page = send(client, (photos / "scene 02.jpg").read_bytes(), "/similar")
    assert status == 410
    assert "This photo is no longer in memory: choose it again." in page
    assert 'type="file"' in page
    assert client.get("/similar/unknown/preview").status_code == 410


def test_an_upload_read_for_other_weights_is_forgotten(client: FlaskClient, app: Flask, photos: Path) -> None:
    uploads, engine = service_of(app).uploads, service_of(app).engine()
    key = uploads.keep(engine.read_photo(photos / "scene 02.jpg"), "another generation")
    assert client.get(f"/similar?upload={key}").status_code == 410


def test_a_filter_that_makes_no_sense_is_told_before_the_photo_is_read(client: FlaskClient) -> None:
    data = {"photo": (io.BytesIO(b"no photo"), "photo.jpg"), "words": "taken:soon", "csrf_token": token(client)}
    page = client.post("/similar", data=data, content_type="multipart/form-data")
    assert page.status_code == 400
    assert "aken:soon makes no sense" in page.text


def test_words_may_join_the_photo(client: FlaskClient, photos: Path) -> None:
    content = (photos / "scene 01.jpg").read_bytes()
    status, text = send(client, content, "/api/v1/similar?limit=5&q=a+red+circle")
    assert status == 200
    assert None not in {hit["match"] for hit in json.loads(text)["hits"]}
    data = {"photo": (io.BytesIO(content), "photo.jpg"), "words": "a red circle", "csrf_token": token(client)}
    page = client.post("/similar", data=data, content_type="multipart/form-data", follow_redirects=True).text
    assert "<q>a red circle</q>" in page
    assert page.count('<span class="unseen">, match ') == PHOTO_COUNT - 1


def test_a_photo_that_is_sent_waits_for_the_model_in_turn(
    client: FlaskClient, app: Flask, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = ModelQueue(0)
    monkeypatch.setattr(service_of(app).searches, "queue", queue)
    with closing(queue), busy(queue):
        assert send(client, (photos / "scene 01.jpg").read_bytes())[0] == 503
    assert send(client, b"no photo")[0] == 400, "which is found out before"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a photo in a known format"),
        (b"\xff\xd8\xff\xe0 cut short", "damaged or cut short"),
        (b"../../etc/passwd", "not a photo in a known format"),
    ],
)
def test_what_is_no_photo_is_refused_with_the_reason(client: FlaskClient, content: bytes, reason: str) -> None:
    for address in ("/api/v1/similar", "/similar"):
        status, text = send(client, content, address)
        assert status == 400
        assert f"he photo cannot be read as a photo: {reason}" in text


def test_a_bomb_is_refused(client: FlaskClient) -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    status, text = send(client, bomb.getvalue())
    assert status == 400
    assert "megapixels" in text


def test_too_many_bytes_are_refused_unread(client: FlaskClient) -> None:
    form = {"content_type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/v1/similar", data=bytes(MAX_UPLOAD_BYTES + 1), **form)
    assert answer.status_code == 413
    assert "32 MiB" in answer.text


@pytest.mark.parametrize("data", [{}, {"photo": "a word, no file"}, {"other": (io.BytesIO(b"x"), "photo.jpg")}])
def test_a_form_without_a_photo_is_refused(client: FlaskClient, data: dict[str, object]) -> None:
    answer = client.post("/api/v1/similar", data=data, content_type="multipart/form-data")
    assert answer.status_code == 400


def test_a_body_that_is_no_form_is_refused(client: FlaskClient) -> None:
    answer = client.post("/api/v1/similar", data=b"\x00" * 100, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
