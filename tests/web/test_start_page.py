"""The start page: the search box, with the library below it."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from model.scoring.calibration import Calibration
from model.weights import find_weights
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index, recalibrate
from tests.waiting import wait_until
from tests.web.applications import busy, opened
from web.searches import ModelQueue
from web.service import service_of
from web.start import Examples
from web.start_page import full_rows


def test_the_newest_photos_years_and_folders_are_links(client: FlaskClient) -> None:
    page = client.get("/").text
    newest = re.findall(r'<li><a href="(/photos/\d+)">', page)
    assert len(newest) == len(set(newest)) == PHOTO_COUNT
    assert client.get(newest[0]).status_code == 200
    searches = [html.unescape(address) for address in re.findall(r'<li><a href="(/\?q=[^"]+)" title', page)]
    assert len(searches) >= 2, "a year and a folder"
    for address in searches:
        assert "/thumbnail" in client.get(address).text, f"{address} finds something"
    assert page.count("<img src=") - 1 == page.count('loading="lazy"'), "but for the icon of the page"


def test_the_api_says_what_the_page_shows(client: FlaskClient) -> None:
    overview: Any = client.get("/api/v1/overview").json
    page = client.get("/").text
    assert (overview["photos"], len(overview["newest"])) == (PHOTO_COUNT, PHOTO_COUNT)
    assert [f"/photos/{photo_id}" for photo_id in overview["newest"]] == re.findall(
        r'<li><a href="(/photos/\d+)">', page
    )
    for group in (*overview["years"], *overview["folders"]):
        assert f"/photos/{group['cover']}/thumbnail" in page
        found: Any = client.get("/api/v1/search", query_string={"q": group["filter"], "limit": 50}).json
        assert group["cover"] in [hit["photo_id"] for hit in found["hits"]]


def test_favourites_are_shown_once_there_are_some(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.start._QUICK_S", 60.0)
    with opened(library, weights) as app:
        client, view = app.test_client(), service_of(app).view()
        assert 'id="favourites"' not in client.get("/").text
        for photo_id in view.photo_ids().tolist()[:5]:
            view.annotate(photo_id, caption=None, tags=[], favourite=True)
        page = client.get("/").text
        shown = page[page.index('id="favourites"') : page.index('id="years"')]
        assert shown.count("<li>") == 4
        assert '<a href="/?q=favourite:yes">Favourites</a>' in shown
        assert len(client.get("/api/v1/overview").get_json()["favourites"]) == 5


def test_a_library_that_takes_long_to_read_is_read_beside_the_page(
    library: Path, photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.start._QUICK_S", 0.0)
    monkeypatch.setattr("web.start._MIN_AGE_S", 0.0)
    with opened(library, weights) as app:
        client = app.test_client()
        assert len(client.get("/api/v1/overview").get_json()["folders"]) == 1
        more = tmp_path / "more"
        more.mkdir()
        (more / "another.jpg").write_bytes((photos / "scene 05.jpg").read_bytes() + b" ")
        index(library, more, weights)
        wait_until(
            lambda: str(more) in [folder["name"] for folder in client.get("/api/v1/overview").get_json()["folders"]]
        )


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, 1), (5, 4), (7, 6), (11, 6), (12, 12), (30, 12)])
def test_no_row_is_ragged(count: int, shown: int) -> None:
    assert len(full_rows([None] * count)) == shown  # type: ignore[list-item]


def test_what_was_added_is_there_at_the_next_look(
    library: Path, photos: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.start._QUICK_S", 60.0)
    with opened(library, weights) as app:
        client = app.test_client()
        assert len(client.get("/api/v1/overview").get_json()["folders"]) == 1
        more = tmp_path / "more"
        more.mkdir()
        (more / "another.jpg").write_bytes((photos / "scene 05.jpg").read_bytes() + b" ")
        index(library, more, weights)
        overview = client.get("/api/v1/overview").get_json()
        assert overview["photos"] == PHOTO_COUNT + 1
        assert str(more) in [folder["name"] for folder in overview["folders"]]


def test_one_photo_in_place_of_another_is_there_at_the_next_look(
    tmp_path: Path, photos: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.start._QUICK_S", 60.0)
    album = shutil.copytree(photos, tmp_path / "album")
    index(tmp_path / "library", album, weights)
    with opened(tmp_path / "library", weights) as app:
        client = app.test_client()
        before = client.get("/api/v1/overview").get_json()
        (album / "scene 03.jpg").unlink()
        (album / "another.jpg").write_bytes((album / "scene 05.jpg").read_bytes() + b" ")
        index(tmp_path / "library", album, weights)
        after = client.get("/api/v1/overview").get_json()
        assert after["photos"] == before["photos"]
        assert {*after["newest"]} != {*before["newest"]}


@pytest.mark.parametrize("after", [(None, []), (None, ["garden"]), ("another caption", ["garden"])])
def test_sentences_to_try_are_those_that_are_written_now(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, after: tuple[str | None, list[str]]
) -> None:
    monkeypatch.setattr("web.start._MIN_AGE_S", 0.0)
    monkeypatch.setattr("web.start._MIN_MATCH", 0.0)
    monkeypatch.setattr("web.api._MAX_WAIT_S", 60.0)
    with opened(library, weights) as app:
        client, service = app.test_client(), service_of(app)
        recalibrate(service.engine(), monkeypatch, Calibration(match_scale=1.0, match_bias=20.0, cutoff=0.3))
        photo_id = service.view().photo_ids().tolist()[0]
        service.view().annotate(photo_id, caption="our wedding", tags=["party"])
        assert {*client.get("/api/v1/examples").get_json()["examples"]} == {"our wedding", "party"}
        caption, tags = after
        service.view().annotate(photo_id, caption=caption, tags=tags)
        wanted = {*tags, *filter(None, [caption])}
        wait_until(lambda: {*client.get("/api/v1/examples").get_json()["examples"]} == wanted)


def test_sentences_to_try_are_only_those_with_a_good_first_hit(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.api._MAX_WAIT_S", 60.0)
    with opened(library, weights) as app:
        service = service_of(app)
        view = service.view()
        first, second = view.photo_ids().tolist()[:2]
        view.annotate(first, caption=SENTENCE, tags=["camera:canon"])
        view.annotate(second, caption=None, tags=["zebra"])
        recalibrate(service.engine(), monkeypatch, Calibration(match_scale=3.0, match_bias=-20.0, cutoff=0.3))
        assert Examples(service.engine, service.searches.queue).latest(wait_s=60) == [], "nothing is good"
        recalibrate(service.engine(), monkeypatch, Calibration(match_scale=1.0, match_bias=20.0, cutoff=0.3))
        answer = app.test_client().get("/api/v1/examples").get_json()
        assert answer["ready"]
        assert set(answer["examples"]) == {SENTENCE, "zebra"}
        assert f">{SENTENCE}</a>" in app.test_client().get("/").text


def test_sentences_are_looked_for_again_where_too_many_searches_were_waiting(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.start._MIN_AGE_S", 0.0)
    monkeypatch.setattr("web.start._MIN_MATCH", 0.0)
    with opened(library, weights) as app:
        service, queue = service_of(app), ModelQueue(0)
        view = service.view()
        view.annotate(view.photo_ids().tolist()[0], caption=SENTENCE, tags=[])
        recalibrate(service.engine(), monkeypatch, Calibration(match_scale=1.0, match_bias=20.0, cutoff=0.3))
        examples = Examples(service.engine, queue)
        with busy(queue):
            assert examples.latest(wait_s=60) == []
        wait_until(examples.latest)
        assert examples.latest() == [SENTENCE]
        queue.close()


def test_the_page_does_not_wait_for_sentences(library: Path, weights: Path) -> None:
    with opened(library, weights) as app:
        assert "data-wanted" in app.test_client().get("/").text


def test_sentences_of_real_photos_find_them(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.api._MAX_WAIT_S", 60.0)
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((shared / "photos").glob("*.jpg"))[:12]:
        shutil.copy(path, photos)
    index(tmp_path / "library", photos, find_weights())
    with opened(tmp_path / "library", find_weights()) as app:
        client = app.test_client()
        answer = client.get("/api/v1/examples").get_json()
        assert answer["ready"]
        assert answer["examples"]
        for sentence in answer["examples"]:
            found = client.get("/api/v1/search", query_string={"q": sentence, "limit": 1}).get_json()
            assert found["line"] >= 1
            assert found["hits"][0]["match"] > 0.3
