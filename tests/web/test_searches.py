from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.engine.libraries import SENTENCE
from web.searches import Busy, HungUp, Turns
from web.service import service_of


def never() -> bool:
    return False


@pytest.fixture
def full(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    """The model at work for somebody else, and nobody more may wait."""
    turns = Turns(0)
    monkeypatch.setattr(service_of(app).searches, "turns", turns)
    with turns.turn(never):
        yield turns


@pytest.mark.usefixtures("full")
def test_beyond_the_bound_a_search_is_told_to_come_again(client: FlaskClient) -> None:
    answer = client.get("/api/v1/search", query_string={"q": SENTENCE})
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "5"
    page = client.get("/", query_string={"q": SENTENCE})
    assert page.status_code == 503
    assert "Too many searches" in page.text


def test_a_turn_comes_when_the_one_before_ends() -> None:
    turns = Turns(1)
    done = threading.Event()

    def search() -> None:
        with turns.turn(never):
            done.set()

    with turns.turn(never):
        waiting = threading.Thread(target=search)
        waiting.start()
        while not turns.waiting:
            pass
        with pytest.raises(Busy), turns.turn(never):
            pass
        assert not done.is_set()
    waiting.join()
    assert done.is_set()
    with turns.turn(never):
        assert turns.waiting == 0


def test_who_has_hung_up_costs_the_model_nothing() -> None:
    turns = Turns(1)
    with pytest.raises(HungUp), turns.turn(lambda: True):
        pytest.fail("the model was asked")
    with turns.turn(never):
        pass


def test_a_client_that_hung_up_is_not_searched_for(client: FlaskClient) -> None:
    gone = {"waitress.client_disconnected": lambda: True}
    answer = client.get("/api/v1/search", query_string={"q": SENTENCE}, environ_overrides=gone)
    assert answer.status_code == 503
