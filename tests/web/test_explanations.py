"""Explanations of a match: as JSON, as a heat map, and computed once."""

from __future__ import annotations

import html
import io
import re

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from engine.explain import Explanation
from engine.query import Query
from tests.engine.libraries import SENTENCE
from tests.web.applications import hits, photo
from web.explanations import strongest_at
from web.service import service_of


def test_programs_are_told_where_each_word_looks(client: FlaskClient, app: Flask) -> None:
    address = photo(client)
    answer = client.get(f"{address}/explain", query_string={"q": f"{SENTENCE} -dog type:jpg"}).json
    assert answer
    expected = service_of(app).engine().explain(int(address.rpartition("/")[2]), SENTENCE)
    assert [word["word"] for word in answer["words"]] == SENTENCE.split()
    assert np.allclose([word["map"] for word in answer["words"]], expected.maps, atol=1e-3)
    assert np.allclose(answer["overall"], expected.overall, atol=1e-3)
    assert np.allclose([word["evidence"] for word in answer["words"]], expected.evidence, atol=1e-3)


def test_a_word_becomes_a_picture_to_lay_over_the_photo(client: FlaskClient) -> None:
    address = photo(client)
    pictures = [
        client.get(f"{address}/heat", query_string={"q": SENTENCE} | word) for word in ({}, {"word": 1}, {"word": 2})
    ]
    assert len({picture.data for picture in pictures}) == 3
    with Image.open(io.BytesIO(pictures[0].data)) as image:
        assert (image.format, image.mode) == ("WEBP", "RGBA")
    again = client.get(
        f"{address}/heat", query_string={"q": SENTENCE}, headers={"If-None-Match": pictures[0].headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")


def test_an_explanation_is_computed_once_for_all_its_words(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, computed = service_of(app).engine(), []

    def explain(photo_id: int, query: Query) -> object:
        computed.append(query.words)
        return type(engine).explain(engine, photo_id, query)

    monkeypatch.setattr(engine, "explain", explain)
    for word in ({}, {"word": 0}, {"word": 1}):
        client.get(f"{photo(client)}/heat", query_string={"q": "a blue square"} | word)
    assert computed == ["a blue square"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/v1/photos/123/explain?q=dog", 404),
        ("{photo}/explain", 400),
        ("{photo}/explain?q=type:jpg", 400),
        ("{photo}/heat?q=dog&word=1", 400),
        ("{photo}/heat?q=dog&word=-1", 400),
        ("{photo}/heat?q=dog&word=all", 400),
    ],
)
def test_what_cannot_be_explained_is_said(client: FlaskClient, address: str, status: int) -> None:
    answer = client.get(address.format(photo=photo(client)))
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_the_page_explains_when_asked_with_a_link_for_each_word(client: FlaskClient) -> None:
    address = f"/photos/{hits(client)[0]['photo_id']}"
    page = client.get(address, query_string={"q": f"{SENTENCE} type:jpg"}).text
    assert 'class="heat"' not in page, "not before somebody asks"
    ask = re.search(r'class="button" href="([^"]+)">Why it matched', page)
    assert ask
    asked = client.get(html.unescape(ask[1])).text
    words = re.findall(r'<a href="([^"]+)" data-heat="([^"]+)"( aria-current="true")?>([^<]+)<', asked)
    assert [text for *_, text in words] == [*SENTENCE.split(), "All words"]
    assert [bool(current) for _, _, current, _ in words] == [False] * len(SENTENCE.split()) + [True]
    second = client.get(html.unescape(words[1][0])).text
    assert f'class="heat" src="{words[1][1]}"' in second
    assert client.get(html.unescape(words[1][1])).mimetype == "image/webp"


def test_the_page_says_how_much_each_word_speaks_for_the_photo(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, maps = f"/photos/{hits(client)[0]['photo_id']}", np.zeros((3, 3, 3), dtype=np.float32)
    asked = {"q": "red circle", "word": "all"}
    assert 'class="times"' not in client.get(address, query_string=asked).text, "these weights have learned no words"
    evidence = np.log(np.array([12.3, 0.25, 5000.0], dtype=np.float32))
    explanation = Explanation(["red", "square", "cat"], maps, maps[0], evidence)
    monkeypatch.setattr(service_of(app).engine(), "explain", lambda *_: explanation)
    page = client.get(address, query_string=asked | {"q": "red square cat"}).text
    assert re.findall(r">(\w+) <span class=\"times\">([^< ]+) .<", page) == [
        ("red", "12"),
        ("square", "0.25"),
        ("cat", "999+"),
    ]
    assert "at five times the usual odds" in page


@pytest.mark.parametrize("query", ["", "type:jpg", "taken:never"])
def test_without_words_there_is_nothing_to_explain(client: FlaskClient, query: str) -> None:
    page = client.get(f"/photos/{hits(client)[0]['photo_id']}", query_string={"q": query})
    assert page.status_code == 200
    assert "Why it matched" not in page.text


@pytest.mark.parametrize(
    ("cell", "where"), [((0, 0), "at the top left"), ((4, 4), "in the middle"), ((4, 8), "at the right")]
)
def test_where_a_word_looks_is_said_too(cell: tuple[int, int], where: str) -> None:
    attention = np.zeros((9, 9), dtype=np.float32)
    attention[cell] = 1.0
    assert strongest_at(attention) == where
