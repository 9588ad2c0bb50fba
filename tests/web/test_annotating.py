"""What people write about photos in the browser and through the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.applications import hits, opened, photo


@pytest.fixture
def client(library: Path, weights: Path) -> Iterator[FlaskClient]:
    with opened(library, weights) as app:
        yield app.test_client()


def annotate(client: FlaskClient, **values: Any) -> dict[str, Any]:
    answer = client.patch(f"{photo(client)}/annotation", json=values)
    assert answer.status_code == 200
    written: dict[str, Any] = answer.get_json()
    return written


def test_what_is_left_out_stays_as_it_is(client: FlaskClient) -> None:
    assert annotate(client) == {"caption": None, "tags": [], "favourite": False}
    assert annotate(client, favourite=True) == {"caption": None, "tags": [], "favourite": True}
    assert annotate(client, caption=" Aunt Mary ") == {"caption": "Aunt Mary", "tags": [], "favourite": True}
    written = annotate(client, tags=["cake", "x"], tag=["garden", "cake"], untag=["x"])
    assert written == {"caption": "Aunt Mary", "tags": ["cake", "garden"], "favourite": True}
    known = client.get(photo(client)).get_json()
    assert {name: known[name] for name in written} == written
    assert annotate(client, caption="", tags=[], favourite=False) == {"caption": None, "tags": [], "favourite": False}


def test_what_is_written_is_found_at_once(client: FlaskClient) -> None:
    address = f"/api/v1/photos/{hits(client)[7]['photo_id']}/annotation"
    assert client.patch(address, json={"caption": "Rex", "tag": ["Zürich"], "favourite": True}).status_code == 200
    for query in ("favourite:yes", "tag:zurich", "Rex favourite:yes"):
        assert [f"/api/v1/photos/{hit['photo_id']}/annotation" for hit in hits(client, q=query)] == [address]
    assert len(hits(client, q="favourite:no")) == len(hits(client)) - 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"caption": "!!!"}, "no search could find the caption !!!"),
        ({"tag": ["\u200b"]}, "no search could find the tag"),
        ({"tag": ["ok"], "tags": ["?"]}, "no search could find the tag ?"),
        ({"caption": "x" * 2001}, "caption: "),
        ({"tag": ["x" * 101]}, "tag.0: "),
        ({"favourite": "yes"}, "favourite: "),
        ({"star": True}, "star: "),
        ({"tag": [str(number) for number in range(60)], "tags": [f"{number}th" for number in range(60)]}, "120 tags"),
    ],
)
def test_what_is_refused_changes_nothing_and_says_why(client: FlaskClient, body: dict[str, Any], said: str) -> None:
    annotate(client, caption="before", tags=["before"], favourite=True)
    answer = client.patch(f"{photo(client)}/annotation", json=body)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert said in answer.get_json(force=True)["detail"]
    assert annotate(client) == {"caption": "before", "tags": ["before"], "favourite": True}


def test_a_photo_that_is_not_there_cannot_be_written_about(client: FlaskClient) -> None:
    assert client.patch("/api/v1/photos/999999/annotation", json={"favourite": True}).status_code == 404


def test_another_site_cannot_write(client: FlaskClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        answer = client.patch(f"{photo(client)}/annotation", json={"favourite": True}, headers=headers)
        assert answer.status_code == 403
    assert not annotate(client)["favourite"]


def test_the_filters_of_tags_and_favourites_are_chips_that_can_be_taken_out(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": "a circle tag:sea favourite:yes"}).text
    assert "tagged sea" in page
    assert "favourites" in page
    assert "no favourites" in client.get("/", query_string={"q": "a circle favourite:no"}).text
