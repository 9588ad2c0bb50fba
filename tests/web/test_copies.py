"""Photos that are nearly the same: a stack in results, and a page of all of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.results import Hit
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.waiting import wait_until
from tests.web.applications import hits, opened
from web.stacks import stacks


def hit(photo_id: int, *copies: int) -> Hit:
    return Hit(f"/{photo_id}.jpg", photo_id, 0.5, 0.5, 0.5, 4, 3, 9, None, True, list(copies))


@pytest.mark.parametrize(
    ("found", "stacked"),
    [
        ([], []),
        ([hit(1), hit(2)], [[0], [1]]),
        ([hit(1, 3), hit(2), hit(3, 1), hit(4)], [[0, 2], [1], [3]]),
        ([hit(1, 2, 3), hit(2, 1, 3), hit(3, 1, 2)], [[0, 1, 2]]),
        ([hit(2, 1), hit(3)], [[0], [1]]),
    ],
)
def test_a_stack_stands_where_its_first_photo_is_and_has_only_photos_of_the_list(
    found: list[Hit], stacked: list[list[int]]
) -> None:
    assert [[placed.place for placed in stack] for stack in stacks(found)] == stacked
    assert all(found[placed.place] is placed.hit for stack in stacks(found) for placed in stack)


@pytest.fixture
def album(photos: Path, tmp_path: Path) -> Path:
    """Photos, one of them three times: the same picture with other bytes."""
    album = shutil.copytree(photos, tmp_path / "album")
    for name in ("again.jpg", "once more.jpg"):
        (album / name).write_bytes((album / "scene 05.jpg").read_bytes() + name.encode())
    shutil.copy(album / "scene 07.jpg", album / "the same bytes.jpg")
    return album


@pytest.fixture
def app(album: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr("engine.duplicates.find_groups.__kwdefaults__", {"agreement": 0.9999, "progress": None})
    monkeypatch.setattr("web.copies._MIN_AGE_S", 0.0)
    for name in ("_WAIT_S", "_MAX_WAIT_S"):  # until the photos are compared, also on a busy machine
        monkeypatch.setattr(f"web.copy_pages.{name}", 60.0)
    index(tmp_path / "library", album, weights)
    with opened(tmp_path / "library", weights) as app:
        yield app


def test_a_hit_names_its_copies_and_each_still_counts(client: FlaskClient) -> None:
    found = hits(client, limit=50)
    assert len(found) == PHOTO_COUNT + 2
    stacked = [hit for hit in found if hit["copies"]]
    assert {Path(hit["path"]).name for hit in stacked} == {"scene 05.jpg", "again.jpg", "once more.jpg"}
    ids = {hit["photo_id"] for hit in stacked}
    assert all({*hit["copies"], hit["photo_id"]} == ids for hit in stacked)


def test_results_show_one_tile_that_opens_and_paging_stays_right(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": SENTENCE}).text
    reranked = page[page.index('<section class="reranked"') :]
    assert reranked.count("<details>") == 1
    assert '<span class="more-copies">+2</span>' in reranked
    assert reranked.count("/thumbnail") == PHOTO_COUNT + 2
    places = {int(place) for place in re.findall(r"cursor=[\w-]+\.(\d+)", reranked)}
    assert places == set(range(PHOTO_COUNT + 2)), "each photo has its own place in the results"
    for address in re.findall(r'href="(/photos/\d+\?[^"]*cursor=[^"]+)"', reranked):
        assert "Back to the results" in client.get(address.replace("&amp;", "&")).text


def test_all_copies_are_listed_with_sizes_folders_and_the_largest(client: FlaskClient, album: Path) -> None:
    answer: Any = client.get("/api/v1/duplicates").json
    assert (answer["ready"], answer["total"], answer["files"], answer["next"]) == (True, 2, 5, None)
    three, two = [[Path(copy["path"]).name for copy in group["copies"]] for group in answer["groups"]]
    assert set(three) == {"scene 05.jpg", "again.jpg", "once more.jpg"}
    assert set(two) == {"scene 07.jpg", "the same bytes.jpg"}
    sizes = [copy["size"] for copy in answer["groups"][0]["copies"]]
    assert sizes == sorted(sizes, reverse=True)
    smaller = [copy["size"] for group in answer["groups"] for copy in group["copies"][1:]]
    assert answer["smaller_bytes"] == sum(smaller)
    page = " ".join(client.get("/copies").text.split())
    assert "2 photos have copies" in page
    assert page.count("<strong>largest</strong>") == 2
    assert page.count(f'<p class="path">{album}</p>') == 5
    assert page.count(", the same bytes") == 1
    assert "Pixelseek deletes nothing" in page


def test_copies_come_in_pages(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.copy_pages._GROUPS_A_PAGE", 1)
    client.get("/api/v1/duplicates")
    first, second = client.get("/copies").text, client.get("/copies?start=1").text
    assert ("scene 05.jpg" in first, "scene 07.jpg" in first) == (True, False)
    assert ("scene 05.jpg" in second, "scene 07.jpg" in second) == (False, True)
    assert 'href="/copies?start=1">Next' in first
    assert 'href="/copies">Previous' in second
    assert "Next</a>" not in second
    answer: Any = client.get("/api/v1/duplicates?limit=1").json
    assert (answer["next"], len(answer["groups"])) == (1, 1)
    for start in ("-5", "99", "x", "9" * 30):
        assert client.get("/copies", query_string={"start": start}).status_code == 200


def test_what_was_deleted_is_no_copy_any_more_at_once(client: FlaskClient, album: Path) -> None:
    assert "the same bytes.jpg" in client.get("/copies").text
    (album / "the same bytes.jpg").unlink()
    assert "scene 07.jpg" not in client.get("/copies").text
    (album / "again.jpg").unlink()
    page = client.get("/copies").text
    assert ", gone" in page
    assert "once more.jpg" in page


def test_new_copies_are_found_when_photos_were_added(
    client: FlaskClient, album: Path, weights: Path, tmp_path: Path
) -> None:
    assert client.get("/api/v1/duplicates").get_json()["files"] == 5
    (album / "fourth.jpg").write_bytes((album / "scene 05.jpg").read_bytes() + b"4")
    index(tmp_path / "library", album, weights)
    wait_until(lambda: client.get("/api/v1/duplicates").get_json()["files"] == 6)


def exchange(album: Path) -> None:
    (album / "scene 03.jpg").unlink()
    (album / "fourth.jpg").write_bytes((album / "scene 05.jpg").read_bytes() + b"4")


def copy_bytes(album: Path) -> None:
    shutil.copy(album / "scene 05.jpg", album / "the same bytes as 5.jpg")


@pytest.mark.parametrize("change", [exchange, copy_bytes])
def test_new_copies_are_found_also_where_there_are_as_many_photos_as_before(
    client: FlaskClient, album: Path, weights: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    assert client.get("/api/v1/duplicates").get_json()["files"] == 5
    photos = client.get("/healthz").get_json()["photos"]
    change(album)
    index(tmp_path / "library", album, weights)
    assert client.get("/healthz").get_json()["photos"] == photos
    wait_until(lambda: client.get("/api/v1/duplicates").get_json()["files"] == 6)


def test_copies_that_were_away_while_the_photos_were_compared_come_back(client: FlaskClient, album: Path) -> None:
    away = (album / "the same bytes.jpg").rename(album / "away")
    assert client.get("/api/v1/duplicates").get_json()["files"] == 3
    away.rename(album / "the same bytes.jpg")
    wait_until(lambda: client.get("/api/v1/duplicates").get_json()["files"] == 5)
    assert "the same bytes.jpg" in client.get("/copies").text


def test_without_a_library_there_is_nothing_to_compare(weights: Path, tmp_path: Path) -> None:
    with opened(tmp_path / "nowhere", weights) as app:
        assert app.test_client().get("/copies").status_code == 503
        assert app.test_client().get("/api/v1/duplicates").status_code == 503


def test_the_copies_lead_to_their_pages(client: FlaskClient) -> None:
    page = client.get("/copies").text
    addresses = re.findall(r'<li><a href="(/photos/\d+)"', page)
    assert len(addresses) == 5
    assert all(client.get(address).status_code == 200 for address in addresses)


def test_the_start_page_shows_one_of_the_newest_photos_that_are_nearly_the_same(client: FlaskClient) -> None:
    newest = client.get("/api/v1/overview").get_json()["newest"]
    names = {Path(client.get(f"/api/v1/photos/{photo_id}").get_json()["path"]).name for photo_id in newest}
    assert len(newest) == len(names) == PHOTO_COUNT
    assert len(names & {"scene 05.jpg", "again.jpg", "once more.jpg"}) == 1
