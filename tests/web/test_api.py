from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from indexer.library.settings import Settings
from tests.engine.libraries import HIT_FIELDS, PHOTO_COUNT, SENTENCE, index
from tests.web.applications import hits, opened, photo


def test_a_search_answers_as_the_command_line_does(client: FlaskClient) -> None:
    result = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3}).json
    assert result is not None
    assert result.keys() == {"query", "hits", "line", "hints", "reranked", "timings_ms", "next"}
    assert result["query"] == SENTENCE
    assert len(result["hits"]) == 3
    assert result["hits"][0].keys() == {*HIT_FIELDS, "thumbnail"}
    assert result["timings_ms"].keys() == {"text", "shortlist", "features", "rerank", "total"}


def test_a_search_can_be_posted(client: FlaskClient) -> None:
    posted = client.post("/api/v1/search", json={"q": SENTENCE, "limit": 3}).json
    assert posted is not None
    assert posted["hits"] == hits(client, limit=3)


def test_a_search_without_a_rerank_has_no_matches(client: FlaskClient) -> None:
    unranked = hits(client, rerank="false")
    assert {hit["match"] for hit in unranked} == {None}
    assert [hit["similarity"] for hit in unranked] == sorted((hit["similarity"] for hit in unranked), reverse=True)


def test_pages_stay_in_order_while_the_library_grows(
    library: Path, weights: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=4))
    with opened(library, weights) as app:
        client = app.test_client()
        answer = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 4}).json
        assert answer
        seen = [hit["photo_id"] for hit in answer["hits"]]
        more = tmp_path / "more"
        more.mkdir()
        for row in (1, 2, 3):
            (more / f"{row}.jpg").write_bytes((photos / f"scene {row:02}.jpg").read_bytes() + b"other bytes")
        index(library, more, weights)
        while answer["next"]:
            answer = client.get(
                "/api/v1/search", query_string={"q": SENTENCE, "limit": 4, "cursor": answer["next"]}
            ).json
            assert answer
            seen += [hit["photo_id"] for hit in answer["hits"]]
    assert len(seen) == len(set(seen)), "no photo twice"
    assert len(seen) == PHOTO_COUNT + 3, "and none left out"


@pytest.mark.parametrize("cursor", ["forgotten123.4", "../../etc", "x", "%00"])
def test_a_cursor_that_is_not_remembered_is_gone(client: FlaskClient, cursor: str) -> None:
    assert client.get(f"/api/v1/search?q=dog&cursor={cursor}").status_code == 410


def test_a_cursor_belongs_to_its_sentence(client: FlaskClient) -> None:
    answer = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3}).json
    assert answer
    assert client.get("/api/v1/search", query_string={"q": "dog", "cursor": answer["next"]}).status_code == 410


def test_a_photo_tells_what_is_known_of_it(client: FlaskClient, photos: Path) -> None:
    hit = next(hit for hit in hits(client) if hit["path"].endswith("scene 01.jpg"))
    answer = client.get(f"/api/v1/photos/{hit['photo_id']}").json
    assert answer
    assert answer["path"] == str(photos / "scene 01.jpg")
    assert (answer["width"], answer["height"], answer["online"]) == (128, 128, True)


def test_similar_photos_leave_out_the_photo_itself(client: FlaskClient) -> None:
    answer = client.get(f"{photo(client)}/similar?limit=5").json
    assert answer
    assert len(answer["hits"]) == 5
    assert hits(client)[0]["photo_id"] not in [hit["photo_id"] for hit in answer["hits"]]


def test_similar_photos_may_be_asked_to_fit_words_too(client: FlaskClient) -> None:
    alone = client.get(f"{photo(client)}/similar").get_json()["hits"]
    both = client.get(f"{photo(client)}/similar", query_string={"q": SENTENCE}).get_json()["hits"]
    assert {hit["match"] for hit in alone} == {None}
    assert None not in {hit["match"] for hit in both}
    assert client.get(f"{photo(client)}/similar?q=taken:1900").json == {"hits": []}
    assert client.get(f"{photo(client)}/similar?q=taken:never").status_code == 400


def test_copies_of_a_photo_are_told(weights: Path, photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(copy / "scene 01.jpg", copy / "deeper" / "the same.jpg")
    index(tmp_path / "library", copy, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        hit = next(hit for hit in hits(client) if hit["path"].endswith(("scene 01.jpg", "the same.jpg")))
        copies = client.get(f"/api/v1/photos/{hit['photo_id']}/duplicates").get_json()["copies"]
        same = [Path(one["path"]).name for one in copies if one["photo_id"] == hit["photo_id"]]
        assert sorted(same) == ["scene 01.jpg", "the same.jpg"]
        page = client.get(f"/photos/{hit['photo_id']}").text
        shown = page[page.index("Nearly the same") :]
        assert "the same bytes" in shown
        assert shown.count(f'href="/photos/{hit["photo_id"]}"') == 1, "not the file that is shown above"


def test_a_photo_comes_as_a_small_webp(client: FlaskClient) -> None:
    answer = client.get(f"{photo(client)}/thumbnail")
    assert answer.mimetype == "image/webp"
    with Image.open(io.BytesIO(answer.data)) as image:
        assert image.size == (128, 128)


def test_a_photo_is_shown_upright_small_and_without_its_metadata(tmp_path: Path, weights: Path) -> None:
    picture = Image.new("RGB", (3000, 1500), "teal")
    exif = picture.getexif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # orientation: turned; maker
    (tmp_path / "photos").mkdir()
    picture.save(tmp_path / "photos" / "turned.jpg", exif=exif)
    index(tmp_path / "library", tmp_path / "photos", weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        for name, size in (("thumbnail", (320, 640)), ("image", (1024, 2048))):
            with Image.open(io.BytesIO(client.get(f"{photo(client)}/{name}").data)) as image:
                assert image.size == size
                assert not image.getexif()


def test_a_thumbnail_is_made_once_and_anew_when_the_file_changes(weights: Path, photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    index(tmp_path / "library", copy, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        hit = next(hit for hit in hits(client) if hit["path"].endswith("scene 01.jpg"))
        address = f"/api/v1/photos/{hit['photo_id']}/thumbnail"
        first = client.get(address)
        kept = list((tmp_path / "library" / "thumbnails").rglob("*.*"))
        assert [file.read_bytes() for file in kept] == [first.data]
        kept[0].write_bytes(b"kept, not made again")
        assert client.get(address).data == b"kept, not made again"
        Image.new("RGB", (50, 50), "red").save(copy / "scene 01.jpg")
        changed = client.get(address)
        assert changed.data not in (first.data, b"kept, not made again")
        assert changed.headers["ETag"] != first.headers["ETag"]
        assert len(list((tmp_path / "library" / "thumbnails").rglob("*.*"))) == 1, "the old one is gone"


def test_a_photo_on_a_disk_that_is_away_keeps_its_thumbnail(photos: Path, weights: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    index(tmp_path / "library", copy, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        seen, unseen = (f"/api/v1/photos/{hit['photo_id']}/thumbnail" for hit in hits(client)[:2])
        data = client.get(seen).data
        shutil.rmtree(copy)
        assert client.get(seen).data == data
        assert client.get(unseen).status_code == 404


def test_a_photo_that_is_damaged_since_is_a_problem_not_a_crash(photos: Path, weights: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")
    index(tmp_path / "library", copy, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        for file in copy.rglob("*.jpg"):
            file.write_bytes(b"no photo any more")
        assert client.get(f"{photo(client)}/thumbnail").status_code == 404


def test_nobody_waits_for_a_thumbnail_after_hanging_up(weights: Path, photos: Path, tmp_path: Path) -> None:
    index(tmp_path / "library", photos, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        gone = {"waitress.client_disconnected": lambda: True}
        assert client.get(f"{photo(client)}/thumbnail", environ_overrides=gone).status_code == 503
        assert not (tmp_path / "library" / "thumbnails").exists()


def test_thumbnails_do_not_count_as_the_library(weights: Path, photos: Path, tmp_path: Path) -> None:
    index(tmp_path / "library", photos, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        before = client.get("/api/v1/status").get_json()["bytes_on_disk"]
        (tmp_path / "library" / "thumbnails" / "640").mkdir(parents=True)
        (tmp_path / "library" / "thumbnails" / "640" / "1.webp").write_bytes(bytes(10**7))
        assert client.get("/api/v1/status").get_json()["bytes_on_disk"] - before < 10**6


def test_a_browser_asks_whether_a_photo_has_changed(client: FlaskClient) -> None:
    answer = client.get(f"{photo(client)}/thumbnail")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert not answer.headers["ETag"].startswith("W/")
    again = client.get(f"{photo(client)}/thumbnail", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/v1/search", 400),
        ("/api/v1/search?q=", 400),
        ("/api/v1/search?q=dog&limit=0", 400),
        ("/api/v1/search?q=dog&limit=many", 400),
        ("/api/v1/search?q=dog&colour=red", 400),
        ("/api/v1/search?q=dog+taken:yesterday", 400),
        ("/api/v1/search?q=" + "x" * 1001, 400),
        ("/api/v1/photos/123/image", 404),
        ("/api/v1/photos/99999999999999999999/image", 404),
        ("/api/v1/photos/..%2f..%2fetc%2fpasswd/image", 404),
        ("/api/v1/photos/../../../etc/passwd", 404),
        ("/static/..%2f..%2fetc%2fpasswd", 404),
        ("/api/v1/nothing", 404),
    ],
)
def test_problems_are_told_as_problem_json(client: FlaskClient, address: str, status: int) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    if address.startswith("/api/v1/"):
        assert answer.mimetype == "application/problem+json"
        problem = answer.get_json(force=True)
        assert problem.keys() - {"wrong", "queries"} == {"type", "title", "status", "detail"}
        assert problem["status"] == status
        assert problem["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"q": "dog", "limit": "3"}', "application/json", 400),
        (b'{"q": "dog"', "application/json", 400),
        (b'["dog"]', "application/json", 400),
        (b"q=dog", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(client: FlaskClient, body: bytes, kind: str, status: int) -> None:
    assert client.post("/api/v1/search", data=body, content_type=kind).status_code == status


def test_a_method_that_is_not_there_names_those_that_are(client: FlaskClient) -> None:
    answer = client.delete("/api/v1/search")
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_the_status_counts_photos_and_names_failures(client: FlaskClient, photos: Path) -> None:
    answer = client.get("/api/v1/status").json
    assert answer
    assert answer["photos"] == PHOTO_COUNT
    assert answer["failures"] == [{"path": str(photos / "broken.jpg"), "reason": "damaged or cut short"}]
    assert answer["folders"] == [
        {"path": str(photos), "online": True, "files": PHOTO_COUNT + 1, "exclude": [], "include": []}
    ]


def test_health_says_how_many_photos_there_are(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok", "photos": PHOTO_COUNT}


def test_metrics_count_requests_and_searches(client: FlaskClient) -> None:
    hits(client)
    text = client.get("/metrics").text
    assert 'pixelseek_requests_total{endpoint="api.search",status="200"}' in text
    assert 'pixelseek_search_seconds_count{stage="rerank"}' in text
    assert f"pixelseek_photos {PHOTO_COUNT}.0" in text


def test_every_address_of_the_api_is_documented(client: FlaskClient, app: Flask) -> None:
    document = client.get("/api/v1/openapi.json").json
    assert document
    assert document["openapi"].startswith("3.1")
    addresses = {re.sub(r"<.*:(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    served = {address for address in addresses if address.startswith("/api/v1/")} - {"/api/v1/openapi.json"}
    assert document["paths"].keys() == served
    page = client.get("/api").text
    assert all(f"{address}</code>" in page for address in served)
