"""Errors for people: words and a next step, never the names of HTTP. For programs: problem+json."""

from __future__ import annotations

import html
import io
import re
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from flask.testing import FlaskClient

from tests.web.applications import busy, hits, opened, token
from web.service import service_of

TITLES = {status.phrase for status in HTTPStatus}


def heading(page: str) -> str:
    found = re.search(r"<h1[^>]*>([^<]+)</h1>", page)
    assert found is not None
    return html.unescape(found[1])


def test_the_wrong_part_is_marked_and_a_link_leads_to_the_search_without_it(client: FlaskClient) -> None:
    answer = client.get("/", query_string={"q": "a red circle After:20211"})
    assert answer.status_code == 400
    assert heading(answer.text) == "This cannot be searched for"
    assert "a red circle <mark>After:20211</mark>" in answer.text
    assert 'name="q" value="a red circle After:20211"' in answer.text
    link = re.search(r'Try <a href="([^"]+)">a red circle</a>', answer.text)
    assert link is not None
    assert client.get(html.unescape(link[1])).status_code == 200


@pytest.mark.parametrize("address", ["/", "/filters"])
def test_a_slip_is_corrected_by_a_link_to_the_same_page(client: FlaskClient, address: str) -> None:
    answer = client.get(address, query_string={"q": "camara:canon", "sort": "date"})
    assert "<mark>camara:canon</mark>" in answer.text
    link = re.search(r'Try <a href="([^"]+)">camera:canon</a>', answer.text)
    assert link is not None
    assert link[1].startswith(f"{address}?")
    assert "sort=date" in link[1]
    assert client.get(html.unescape(link[1])).status_code == 200


@pytest.mark.parametrize("name", ["endpoint", "values", "_anchor", "_external", "_method", "_scheme", "photo_id"])
@pytest.mark.parametrize("address", ["/", "/filters", "/photos/{photo_id}/similar"])
def test_the_link_keeps_parameters_of_any_name(client: FlaskClient, address: str, name: str) -> None:
    address = address.format(photo_id=hits(client)[0]["photo_id"])
    parameter = "words" if address.endswith("similar") else "q"
    answer = client.get(address, query_string={parameter: "dog & cat camara:canon", name: "a b"})
    assert answer.status_code == 400
    link = re.search(r'Try <a href="([^"]+)">dog &amp; cat camera:canon</a>', answer.text)
    assert link is not None
    path, _, query = html.unescape(link[1]).partition("?")
    assert path == address
    assert parse_qs(query) == {parameter: ["dog & cat camera:canon"], name: ["a b"]}
    assert client.get(html.unescape(link[1])).status_code == 200


def test_the_link_keeps_a_parameter_that_comes_twice(client: FlaskClient) -> None:
    answer = client.get("/filters", query_string={"q": "camara:canon", "folder": ["a", "b"]})
    assert '<a href="/filters?q=camera%3Acanon&amp;folder=a&amp;folder=b">' in answer.text


def test_the_link_keeps_the_folder_that_a_web_server_serves_the_pages_under(client: FlaskClient) -> None:
    answer = client.get("/filters", query_string={"q": "camara:canon"}, environ_overrides={"SCRIPT_NAME": "/photos"})
    assert '<a href="/photos/filters?q=camera%3Acanon">' in answer.text


def test_what_was_typed_is_shown_as_text(client: FlaskClient) -> None:
    page = client.get("/", query_string={"q": '<b>"x" taken:<script>'}).text
    assert "<script>" not in page.replace('<script type="module"', "")
    assert "<mark>taken:&lt;script&gt;</mark>" in page


def test_programs_are_told_the_wrong_part_and_what_to_try(client: FlaskClient) -> None:
    answer = client.get("/api/v1/search", query_string={"q": "dog camara:canon"})
    assert answer.mimetype == "application/problem+json"
    problem = answer.get_json()
    assert problem["wrong"] == "camara:canon"
    assert problem["queries"][0] == "dog camera:canon"


def test_no_page_has_a_title_of_http(client: FlaskClient) -> None:
    photo_id = hits(client)[0]["photo_id"]
    form = {"csrf_token": token(client)}
    answers = [
        client.get("/nothing"),
        client.get("/photos/999999"),
        client.get("/", query_string={"q": "x" * 1001}),
        client.get("/library/index"),
        client.post("/"),
        client.post("/similar", data={"words": "a dog"}),
        client.post("/similar", data={"words": "a dog", **form}),
        client.post("/similar", data={"photo": (io.BytesIO(b"no photo"), "a.jpg"), **form}),
        client.post("/library/index", data={"folder": "/etc", **form}),
        client.get(f"/photos/{photo_id}?question={'x' * 1001}"),
        client.get("/photos/99999999999999999999"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        assert heading(answer.text) not in TITLES
        assert "What to do next" in answer.text
        assert "the requested URL" not in answer.text, "the standard text of HTTP"
        assert "browser (or proxy)" not in answer.text


def test_too_many_searches_at_once_offer_to_try_again(
    indexed: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.searches.MAX_WAITING", 0)
    with opened(indexed, weights) as app, busy(service_of(app).searches.queue):
        answer = app.test_client().get("/", query_string={"q": "a dog"})
    assert answer.status_code == 503
    assert heading(answer.text) == "Too many searches at once"
    assert '<a href="/?q=a%20dog">Try it again</a>' in answer.text or '<a href="/?q=a+dog">Try' in answer.text


def test_under_a_wrong_host_name_a_person_reads_words(indexed: Path, weights: Path) -> None:
    with opened(indexed, weights, HOSTS=["localhost"]) as app:
        answer = app.test_client().get("/", headers={"Host": "elsewhere.example"})
        assert (answer.status_code, answer.mimetype) == (400, "text/html")
        assert heading(answer.text) == "Another address is needed"
        assert app.test_client().get("/api/v1/status", headers={"Host": "x.example"}).is_json
