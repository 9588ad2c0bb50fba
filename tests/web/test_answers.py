"""Questions about a photo: answered to programs, and on its page without a script."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.engine.libraries import SENTENCE
from tests.model.heads import add_head
from tests.web.applications import opened, photo
from web.service import service_of

QUESTION = "what color is the circle?"


def page_of(client: FlaskClient) -> str:
    return photo(client).removeprefix("/api/v1")


def test_programs_get_answers(client: FlaskClient, app: Flask) -> None:
    address = photo(client)
    answer = client.get(f"{address}/ask", query_string={"q": QUESTION, "top": 2}).json
    assert answer
    assert answer == service_of(app).engine().ask(int(address.rpartition("/")[2]), QUESTION, top=2).to_json()
    assert len(answer["answers"]) == 2


def test_the_page_has_a_box_that_answers(client: FlaskClient) -> None:
    address = page_of(client)
    assert "I do not know" not in client.get(address).text
    page = client.get(address, query_string={"question": QUESTION, "q": SENTENCE}).text
    assert f'name="question" value="{QUESTION}"' in page
    assert f'<input type="hidden" name="q" value="{SENTENCE}">' in page
    best = client.get(f"/api/v1{address}/ask", query_string={"q": QUESTION}).json
    assert best
    assert f"<li>{best['answers'][0]['answer']} " in page


def test_what_is_asked_is_not_taken_for_markup(client: FlaskClient) -> None:
    page = client.get(page_of(client), query_string={"question": 'what <b>"dog"</b>?'}).text
    assert "<b>" not in page


@pytest.mark.parametrize(("question", "status"), [("?!", 400), ("a" * 2000, 400)])
def test_what_is_no_question_is_refused(client: FlaskClient, question: str, status: int) -> None:
    assert client.get(page_of(client), query_string={"question": question}).status_code == status
    assert client.get(f"{photo(client)}/ask", query_string={"q": question}).status_code == status


def test_a_page_that_does_not_know_says_so(indexed: Path, weights: Path, tmp_path: Path) -> None:
    unsure = shutil.copytree(weights, tmp_path / "unsure")
    add_head(unsure, "vqa", cutoff=1.0)
    with opened(indexed, unsure) as app:
        client = app.test_client()
        assert "I do not know" in client.get(page_of(client), query_string={"question": QUESTION}).text


def test_without_a_head_there_is_no_box_and_programs_are_told_why(indexed: Path, weights: Path, tmp_path: Path) -> None:
    silent = shutil.copytree(weights, tmp_path / "silent", ignore=shutil.ignore_patterns("vqa.*"))
    with opened(indexed, silent) as app:
        client = app.test_client()
        assert "Ask about this photo" not in client.get(page_of(client)).text
        answer = client.get(f"{photo(client)}/ask", query_string={"q": QUESTION})
        assert answer.status_code == 503
        assert "no head for vqa" in answer.text
