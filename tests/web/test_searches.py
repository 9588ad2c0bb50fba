from __future__ import annotations

import socket
import time
from contextlib import closing
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.query import Query
from engine.results import SearchResult
from engine.search import SearchEngine
from tests.engine.libraries import SENTENCE
from tests.web.applications import at_work, served
from web.searches import Busy, HungUp, Turns
from web.service import service_of


def never() -> bool:
    return False


def test_beyond_the_bound_a_search_is_told_to_come_again(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(0)
    monkeypatch.setattr(service_of(app).searches, "turns", turns)
    with closing(turns), at_work(turns):
        answer = client.get("/api/v1/search", query_string={"q": SENTENCE})
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert answer.headers["Retry-After"] == "5"
        page = client.get("/", query_string={"q": SENTENCE})
        assert page.status_code == 503
        assert "Too many searches" in page.text


def test_a_turn_comes_when_the_one_before_ends() -> None:
    with closing(Turns(1)) as turns:
        answers: list[str] = []
        waiting = Thread(target=lambda: answers.append(turns.run(lambda: "found", never)))
        with at_work(turns):
            waiting.start()
            while not turns.waiting:
                pass
            with pytest.raises(Busy):
                turns.run(lambda: pytest.fail("out of turn"), never)
            assert answers == []
        waiting.join()
        assert answers == ["found"]
        assert turns.waiting == 0


def test_who_has_hung_up_costs_the_model_nothing() -> None:
    with closing(Turns(1)) as turns:
        with pytest.raises(HungUp):
            turns.run(lambda: pytest.fail("the model was asked"), lambda: True)
        assert turns.run(lambda: "found", never) == "found"


def test_a_failure_is_told_to_who_asked_and_frees_the_model() -> None:
    with closing(Turns(0)) as turns:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                turns.run(lambda: 1 // 0, never)


def test_a_client_that_hung_up_is_not_searched_for(client: FlaskClient) -> None:
    gone = {"waitress.client_disconnected": lambda: True}
    answer = client.get("/api/v1/search", query_string={"q": SENTENCE}, environ_overrides=gone)
    assert answer.status_code == 503


def test_a_connection_that_is_closed_while_waiting_costs_the_model_nothing(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(app)
    turns, engine = Turns(5), service.engine()
    searched: list[str] = []

    def search(query: Query, **options: Any) -> SearchResult:
        searched.append(query.words)
        return SearchEngine.search(engine, query, **options)

    monkeypatch.setattr(service.searches, "turns", turns)
    monkeypatch.setattr(engine, "search", search)
    with closing(turns), served(app) as address:
        host, port = address.removeprefix("http://").split(":")
        connections = []
        with at_work(turns):
            for number, word in enumerate(("gone", "here"), start=1):
                connection = socket.create_connection((host, int(port)), timeout=30)
                connection.sendall(f"GET /api/v1/search?q={word} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                connections.append(connection)
                while turns.waiting < number:
                    time.sleep(0.01)
            connections[0].close()
            time.sleep(0.5)  # until the server has heard of it
        with connections[1] as connection:
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert searched == ["here"]
