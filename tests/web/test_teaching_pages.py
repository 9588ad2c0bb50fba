"""The pages on which words are taught, without a browser: names, answers, undo, and what other pages say of words."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from indexer.library.catalog import photo_table
from indexer.library.taught_words import TaughtWord
from tests.web.applications import hits, opened, token
from web.service import service_of

ODD_NAMES = (
    "<b>Rex</b> & \"co\" 'x'",
    "camera:canon",
    "-not this",
    "tag:",
    "a/b?c=d#e%2F%00",
    "../../etc/passwd",
    "東京 タワー",
    "🐶",
    "Omas Häuschen",
    "{{ 7 * 7 }}",
    "x" * 100,
)


@pytest.fixture
def app(library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The untrained weights of the tests take all photos for much alike: here only the same picture is."""
    monkeypatch.setattr("engine.teaching._TOO_ALIKE", 0.9999)
    with opened(library, weights) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def send(client: FlaskClient, address: str, **fields: Any) -> TestResponse:
    return client.post(address, data={"csrf_token": token(client), **fields})


def words(app: Flask) -> dict[str, TaughtWord]:
    return {word.name: word for word in service_of(app).view().taught_words()}


def said(app: Flask, name: str) -> tuple[list[int], list[int]]:
    """The photos that show a word, and those that do not."""
    word = words(app)[name]
    return word.shown, word.not_shown


def photo_ids(app: Flask) -> list[int]:
    return [int(photo_id) for photo_id in service_of(app).view().photo_ids()]


def asked(page: str) -> list[int]:
    return [int(photo_id) for photo_id in re.findall(r'data-photo="(\d+)"', page)]


def undo(client: FlaskClient, page: str) -> str:
    """Press Undo on a page; the page that comes."""
    form = re.search(r'<form id="told"[^>]* action="([^"]+)">(.*?)</form>', page, re.DOTALL)
    assert form is not None
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[2]):
        fields.setdefault(name, []).append(html.unescape(value))
    response = client.post(html.unescape(form[1]), data=fields, follow_redirects=True)
    assert response.status_code == 200
    return response.text


def test_a_word_is_taught_by_choosing_photos_and_by_answers_and_each_can_be_undone(
    app: Flask, client: FlaskClient
) -> None:
    begun = send(client, "/teach", name="  Rex ")
    assert begun.status_code == 302
    address = begun.headers["Location"]
    assert re.fullmatch(r"/teach/\d+", address)
    page = client.get(address).text
    assert "Choose 3 photos that show Rex" in page
    assert asked(page) == [], "nothing is known to ask about"
    every = photo_ids(app)
    page = send(client, f"{address}/answers", chosen="yes", photo=every[:2]).text
    assert "One more photo that shows Rex" in page
    page = send(client, f"{address}/answers", chosen="yes", photo=every[2]).text
    assert said(app, "Rex") == (every[:3], [])
    assert {hit["photo_id"] for hit in hits(client, q="tag:rex")} == {*every[:3]}
    first = asked(page)
    assert len(first) > 3
    assert not {*first} & {*every[:3]}
    page = send(client, f"{address}/answers", yes=first[0], asked=",".join(map(str, first))).text
    assert asked(page) == first[1:], "the others stay where they are"
    page = send(client, f"{address}/answers", no=first[1], asked=",".join(map(str, first[1:]))).text
    assert said(app, "Rex") == (sorted([*every[:3], first[0]]), [first[1]])
    page = undo(client, page)
    assert asked(page) == first[1:], "the photo is asked about again"
    assert said(app, "Rex")[1] == []
    page = send(client, f"{address}/answers", skip=first[1], asked=",".join(map(str, first[1:]))).text
    assert asked(page) == first[2:]
    assert asked(undo(client, page)) == first[1:]
    page = send(client, f"{address}/answers", more="yes", asked=",".join(map(str, first[1:]))).text
    assert not {*asked(page)} & {*first[1:]}, "what was skipped does not come again"
    page = send(client, f"{address}/answers", back=first[0]).text
    assert said(app, "Rex") == (every[:3], [])
    undo(client, page)
    assert said(app, "Rex") == (sorted([*every[:3], first[0]]), [])


def test_a_word_of_any_name_has_pages_and_is_renamed(app: Flask, client: FlaskClient) -> None:
    for name in ODD_NAMES:
        address = send(client, "/teach", name=name).headers["Location"]
        page = client.get(address)
        assert page.status_code == 200
        shown = html.escape(name, quote=True).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
        assert f"<h1>{shown}</h1>" in page.text
        for link in re.findall(r'href="(/[^"]+)"', page.text):
            if link.startswith("/?q="):
                assert client.get(html.unescape(link)).status_code == 200, name
    listed = client.get("/teach").text
    assert "<b>Rex" not in listed
    assert len(words(app)) == len(ODD_NAMES)
    for old, new in zip(ODD_NAMES, reversed(ODD_NAMES), strict=True):
        renamed = send(client, f"/teach/{words(app)[old].id}/rename", name=f"{new[:90]} 2")
        assert renamed.status_code == 200
        undo(client, renamed.text)
        assert old in words(app)


def test_a_name_that_cannot_be_taught_is_refused_in_words_and_stays_in_the_box(app: Flask, client: FlaskClient) -> None:
    every = photo_ids(app)
    for name in ("...", "x" * 101, "Rex\u202e", "a\x00b"):
        refused = send(client, "/teach", name=name, photo=every[:2])
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text
        assert all(f'name="photo" value="{photo_id}"' in refused.text for photo_id in every[:2])
    assert words(app) == {}
    page = send(client, "/teach", name=" ", photo=every[:2]).text
    assert "These 2 photos show it" in page, "photos without a name wait for one"
    address = send(client, "/teach", tag="Rex", photo=every[:2], back="/?q=x").status_code
    assert address == 200
    assert said(app, "Rex") == (every[:2], [])
    assert client.get("/teach/999999").status_code == 404
    assert client.get("/teach/Rex").status_code == 404
    word = f"/teach/{words(app)['Rex'].id}"
    numbers = ("x", "-1", str(2**63), "1" * 5000, "\u0661")
    wrong: list[dict[str, Any]] = [*({name: number} for name in ("yes", "asked", "photo") for number in numbers)]
    wrong += [{"asked": "1,2,x"}, {}]
    for fields in wrong:
        assert send(client, f"{word}/answers", chosen="no", **fields).status_code == 400, fields
    assert send(client, f"{word}/rename", name=" ").status_code == 400
    nothing: list[dict[str, Any]] = [{}, {"before": "{}"}, {"before": ["[]", "[]"]}]
    for fields in nothing:
        assert send(client, f"{word}/separate", **fields).status_code == 400
    assert client.post(f"{word}/delete").status_code == 403, "no form of ours"
    assert said(app, "Rex") == (every[:2], [])


def test_joining_two_words_is_said_before_and_undone_exactly(app: Flask, client: FlaskClient) -> None:
    view, every = service_of(app).view(), photo_ids(app)
    rexy, rex = view.teach_word("Rexy"), view.teach_word("Rex")
    view.answer(rexy.id, every[:4], shown=True)
    view.answer(rexy.id, every[6:8], shown=False)
    view.answer(rex.id, every[3:6], shown=True)
    view.answer(rex.id, [every[0], every[9]], shown=False)
    before = said(app, "Rexy"), said(app, "Rex")
    page = send(client, f"/teach/{rexy.id}/rename", name="rex").text
    assert "There is a word Rex already" in page
    assert (said(app, "Rexy"), said(app, "Rex")) == before, "nothing is done without a yes"
    page = send(client, f"/teach/{rexy.id}/rename", name="Rex", join="yes").text
    assert said(app, "Rex") == (every[:6], sorted([*every[6:8], every[9]]))
    undo(client, page)
    assert (said(app, "Rexy"), said(app, "Rex")) == before
    view.edit_annotations(every[8:11], lambda annotation: annotation.edited(tag=["Boat"]))
    page = send(client, f"/teach/{rexy.id}/rename", name="Boat").text
    assert "3 photos have the tag Boat already" in page
    page = send(client, f"/teach/{rexy.id}/rename", name="Boat", join="yes").text
    assert said(app, "Boat")[0] == sorted([*every[:4], *every[8:11]])
    undo(client, page)
    assert (said(app, "Rexy"), said(app, "Rex")) == before
    assert view.photos_named("boat", "tag") == every[8:11]


def test_tags_and_keywords_are_offered_and_a_press_teaches_them(app: Flask, client: FlaskClient) -> None:
    view, every = service_of(app).view(), photo_ids(app)
    view.edit_annotations(every[:3], lambda annotation: annotation.edited(tag=["Rex"]))
    with view.catalog.begin() as connection:
        having = update(photo_table).where(photo_table.c.id.in_(every[2:7])).values(keywords=["Blue Boat"])
        connection.execute(having)
    page = client.get("/teach").text
    assert re.findall(r"Teach: </span>([^<]+) <small>([^<]+)<", page) == [
        ("Blue Boat", "5 photos with this keyword"),
        ("Rex", "3 photos tagged"),
    ]
    page = send(client, "/teach", name="Blue Boat", keywords="yes").text
    assert "5 photos: yes, Blue Boat." in page
    assert said(app, "Blue Boat") == (every[2:7], [])
    undo(client, page)
    assert said(app, "Blue Boat") == ([], [])
    page = client.get(f"/teach/{words(app)['Blue Boat'].id}").text
    assert "With the keyword Blue Boat in their files" in page, "they can be chosen one by one too"
    send(client, "/teach", name="Rex")
    assert said(app, "Rex") == (every[:3], [])


@pytest.mark.parametrize("tags", ["keep", "remove"])
def test_a_deleted_word_keeps_its_tags_or_not_and_comes_back(app: Flask, client: FlaskClient, tags: str) -> None:
    view, every = service_of(app).view(), photo_ids(app)
    rex = view.teach_word("Rex")
    view.answer(rex.id, every[:3], shown=True)
    view.answer(rex.id, every[3:5], shown=False)
    page = send(client, f"/teach/{rex.id}/delete", tags=tags).text
    assert "Rex is deleted" in page
    assert view.photos_named("Rex", "tag") == (every[:3] if tags == "keep" else [])
    assert ("Teach: </span>Rex" in page) is (tags == "keep"), "tags on three photos are offered"
    assert "<h1>Rex</h1>" in undo(client, page)
    assert said(app, "Rex") == (every[:3], every[3:5])


def test_searches_and_photos_say_what_was_taught(app: Flask, client: FlaskClient) -> None:
    view, every = service_of(app).view(), photo_ids(app)
    rex = view.teach_word("Rex")
    view.answer(rex.id, every[:3], shown=True)
    page = client.get("/", query_string={"q": "REX and a red circle"}).text
    assert "Rex is a word you taught: 3 yes, 0 no." in page
    for other in ("a red circle", "trex", "type:jpg", "tag:Rex"):
        assert "is a word you taught" not in client.get("/", query_string={"q": other}).text, other
    photo = f"/photos/{every[5]}?q=rex"
    assert "This is not Rex" in client.get(photo).text
    assert "This is not Rex" not in client.get(f"/photos/{every[5]}").text, "nothing was said of it"
    assert "What you said: 1 taught word" in client.get(f"/photos/{every[0]}").text
    page = send(client, photo, word=rex.id, said="no", part="yes").text
    assert said(app, "Rex") == (every[:3], [every[5]])
    fields = dict(re.findall(r'<input type="hidden" name="(word|said)" value="([^"]+)">', page))
    assert fields == {"word": str(rex.id), "said": "back"}
    send(client, photo, **fields)
    assert said(app, "Rex") == (every[:3], [])
    assert send(client, photo, word=rex.id, said="perhaps").status_code == 400
    assert send(client, photo, word=99, said="yes").status_code == 404
