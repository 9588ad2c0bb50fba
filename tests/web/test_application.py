from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from engine.errors import EngineError
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from web import create_app


@pytest.fixture(scope="module")
def app(indexed: Path, weights: Path) -> Iterator[Flask]:
    app = create_app({"LIBRARY": indexed, "WEIGHTS": weights})
    yield app
    app.extensions["pixelseek"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_the_front_page_asks_for_a_sentence(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert '<input type="search" name="q"' in page.text
    assert f"{PHOTO_COUNT} photos" in page.text


def test_a_sentence_finds_photos_with_their_match(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": SENTENCE}).text
    assert f'value="{SENTENCE}"' in page
    assert page.count("/image") == 2 * PHOTO_COUNT, "each photo is shown, and linked"
    assert page.count('<span class="unseen"> match</span>') == PHOTO_COUNT
    assert 'alt="scene 01.jpg"' in page
    assert 'alt="caf\\udce9' in page, "a name that is not text does no harm"


def test_the_page_is_whole_without_scripts_and_without_other_sites(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": SENTENCE})
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert "http" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; img-src 'self'; style-src 'self'")
    for name in ("pixelseek.css", "icon.svg"):
        assert f"/static/{name}" in page.text
        with client.get(f"/static/{name}") as answer:
            assert answer.status_code == 200


def test_a_sentence_is_shown_as_text_only(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": '"><b>dog</b>'}).text
    assert "<b>" not in page


def test_the_api_answers_as_the_command_line_does(client: FlaskClient) -> None:
    result = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3}).json
    assert result is not None
    assert result["query"] == SENTENCE
    assert len(result["hits"]) == 3
    assert result["hits"][0].keys() == {"path", "photo_id", "similarity", "match", "score", "online"}
    assert result["timings_ms"].keys() == {"text", "shortlist", "features", "rerank", "total"}


def test_a_photo_comes_as_a_small_webp(client: FlaskClient) -> None:
    answer = client.get(image_of(client))
    assert answer.mimetype == "image/webp"
    with Image.open(io.BytesIO(answer.data)) as image:
        assert image.size == (128, 128)


def test_a_photo_is_shown_upright_small_and_without_its_metadata(tmp_path: Path, weights: Path) -> None:
    photo = Image.new("RGB", (3000, 1500), "teal")
    exif = photo.getexif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # orientation: turned; maker
    (tmp_path / "photos").mkdir()
    photo.save(tmp_path / "photos" / "turned.jpg", exif=exif)
    index(tmp_path / "library", tmp_path / "photos", weights)
    app = create_app({"LIBRARY": tmp_path / "library", "WEIGHTS": weights})
    client = app.test_client()
    with Image.open(io.BytesIO(client.get(image_of(client)).data)) as image:
        assert image.size == (512, 1024)
        assert not image.getexif()
    app.extensions["pixelseek"].close()


def test_a_browser_asks_whether_a_photo_has_changed(client: FlaskClient) -> None:
    address = image_of(client)
    answer = client.get(address)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/v1/search", 400),
        ("/api/v1/search?q=", 400),
        ("/api/v1/search?q=dog&limit=0", 400),
        ("/api/v1/search?q=dog&limit=many", 400),
        ("/api/v1/search?q=" + "x" * 1001, 400),
        ("/api/v1/photos/123/image", 404),
        ("/api/v1/photos/99999999999999999999/image", 404),
        ("/api/v1/photos/..%2f..%2fetc%2fpasswd/image", 404),
        ("/api/v1/nothing", 404),
    ],
)
def test_the_api_tells_of_problems_as_problem_json(client: FlaskClient, address: str, status: int) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    problem = answer.get_json(force=True)
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert problem["detail"]


def test_a_page_tells_of_problems_in_words(client: FlaskClient) -> None:
    missing, too_long = client.get("/nothing"), client.get("/", query_string={"q": "x" * 1001})
    assert (missing.status_code, too_long.status_code) == (404, 400)
    assert "The sentence has 1,001 characters" in too_long.text
    for page in (missing, too_long):
        assert '<input type="search"' in page.text, "one can go on from there"


def test_a_photo_that_is_gone_from_the_disk_is_a_problem_not_a_crash(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    index(tmp_path / "library", copy, weights)
    app = create_app({"LIBRARY": tmp_path / "library", "WEIGHTS": weights})
    client = app.test_client()
    addresses = [f"/api/v1/photos/{hit['photo_id']}/image" for hit in hits(client)]
    for file in copy.rglob("*.jpg"):
        file.write_bytes(b"no photo any more")
    assert client.get(addresses[0]).status_code == 404
    shutil.rmtree(copy)
    assert client.get(addresses[0]).status_code == 404
    app.extensions["pixelseek"].close()


def test_only_trusted_hosts_are_answered_when_named(indexed: Path, weights: Path) -> None:
    app = create_app({"LIBRARY": indexed, "WEIGHTS": weights, "TRUSTED_HOSTS": ["localhost"]})
    client = app.test_client()
    assert client.get("/", headers={"Host": "localhost:8080"}).status_code == 200
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400
    app.extensions["pixelseek"].close()


def test_health_says_how_many_photos_there_are(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok", "photos": PHOTO_COUNT}


def test_a_library_that_cannot_be_searched_is_refused_at_the_start(indexed: Path, other_weights: Path) -> None:
    with pytest.raises(EngineError):
        create_app({"LIBRARY": indexed, "WEIGHTS": other_weights})


def hits(client: FlaskClient) -> list[dict[str, object]]:
    result = client.get("/api/v1/search", query_string={"q": SENTENCE}).json
    assert result is not None
    found: list[dict[str, object]] = result["hits"]
    return found


def image_of(client: FlaskClient) -> str:
    """The address of the first photo found."""
    return f"/api/v1/photos/{hits(client)[0]['photo_id']}/image"
