"""The API for taught words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from schemathesis import GenerationMode

from tests.web.applications import hits, opened
from tests.web.test_contract import ask

WORDS = "/api/v1/taught-words"


@pytest.fixture
def app(library: Path, word_weights: Path) -> Iterator[Flask]:
    with opened(library, word_weights) as app:
        yield app


def sent(client: FlaskClient, method: str, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    response = client.open(address, method=method, json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def test_programs_teach_answer_rename_and_forget_words(app: Flask) -> None:
    client = app.test_client()
    a, b, c, d, e = [hit["photo_id"] for hit in hits(client)][:5]
    assert sent(client, "GET", WORDS) == {"words": [], "offers": []}
    rex = sent(client, "POST", WORDS, {"name": " Rex "})
    assert (rex["name"], rex["needed"], rex["quality"], rex["shown"]) == ("Rex", 3, None, [])
    here = f"{WORDS}/{rex['id']}"
    assert sent(client, "POST", WORDS, {"name": "rex"}) == rex == sent(client, "GET", here)

    asked = sent(client, "POST", f"{here}/suggestions", {"limit": 3, "leave_out": [a]})["photos"]
    assert len(asked) == 3
    assert a not in [photo["photo_id"] for photo in asked]
    assert client.get(asked[0]["thumbnail"]).status_code == 200

    answered = sent(client, "POST", f"{here}/answers", {"photo_ids": [a, b, c, 10**9], "shown": True})
    assert answered["changed"] == [{"photo_id": photo_id, "before": None} for photo_id in (a, b, c)]
    assert (answered["word"]["shown_count"], answered["word"]["needed"]) == (3, 0)
    assert answered["word"]["quality"]["text"]
    answered = sent(client, "POST", f"{here}/answers", {"photo_ids": [c, d], "shown": False})
    assert answered["changed"] == [{"photo_id": c, "before": True}, {"photo_id": d, "before": None}]
    sent(client, "POST", f"{here}/answers", {"photo_ids": [d], "shown": None})
    word = sent(client, "GET", here)
    assert [photo["photo_id"] for photo in word["shown"]] == sorted([a, b])
    assert [photo["photo_id"] for photo in word["not_shown"]] == [c]
    assert sent(client, "GET", f"/api/v1/photos/{a}")["tags"] == ["Rex"]
    assert sent(client, "POST", f"{here}/keywords") == {
        "changed": [],
        "word": {name: word[name] for name in word.keys() - {"shown", "not_shown", "keywords"}},
    }

    sent(client, "PATCH", "/api/v1/photos/annotations", {"photo_ids": [c, d, e], "tag": ["Max"]})
    assert sent(client, "GET", WORDS)["offers"] == [{"name": "Max", "photos": 3, "source": "tag"}]
    assert not sent(client, "PATCH", here, {"name": "Rexy"})["merged"]
    merged = sent(client, "PATCH", here, {"name": "Max"})
    assert (merged["merged"], merged["word"]["shown_count"], merged["word"]["not_shown_count"]) == (True, 5, 0)
    was = sent(client, "DELETE", f"{here}?keep_tags=true")
    assert len(was["shown"]) == 5
    assert sent(client, "GET", f"/api/v1/photos/{e}")["tags"] == ["Max"]

    again = f"{WORDS}/{sent(client, 'POST', WORDS, {'name': 'max'})['id']}"
    assert sent(client, "GET", again)["shown_count"] == 5
    sent(client, "DELETE", again)
    assert sent(client, "GET", f"/api/v1/photos/{e}")["tags"] == []
    for method, address, body, status in (
        ("GET", here, None, 404),
        ("PATCH", here, {"name": "x"}, 404),
        ("DELETE", here, None, 404),
        ("POST", f"{here}/answers", {"photo_ids": [a], "shown": True}, 404),
        ("POST", f"{here}/keywords", None, 404),
        ("POST", f"{here}/suggestions", {}, 404),
        ("POST", WORDS, {"name": "!!!"}, 400),
        ("POST", WORDS, {"name": "x" * 101}, 400),
        ("POST", f"{here}/answers", {"photo_ids": [a]}, 400),
    ):
        assert client.open(address, method=method, json=body).status_code == status, (method, address, body)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_documented(app: Flask, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    word = WORDS + "/{word_id}"
    for path, methods in (
        (WORDS, ["GET", "POST"]),
        (word, ["GET", "PATCH", "DELETE"]),
        *((f"{word}/{part}", ["POST"]) for part in ("answers", "keywords", "suggestions")),
    ):
        for method in methods:
            if (path, mode) != (WORDS, GenerationMode.NEGATIVE) or method != "GET":  # it asks for nothing
                ask(document[path][method], mode)
