from __future__ import annotations

import html
import re
import socket
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any
from weakref import ref

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.query import Query
from engine.results import SearchResult
from engine.search import SearchEngine
from indexer.library.errors import LibraryClosed
from indexer.library.library import Library
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.web.applications import at_work, hits, opened, served
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


def test_who_waits_when_the_server_stops_is_told_so() -> None:
    turns, told = Turns(2), list[str]()

    def wait() -> None:
        with pytest.raises(LibraryClosed, match="the server is stopping") as error:
            turns.run(lambda: pytest.fail("out of turn"), never)
        told.append(str(error.value))

    waiting, closing_it = Thread(target=wait), Thread(target=turns.close)
    with at_work(turns):
        waiting.start()
        while not turns.waiting:
            pass
        closing_it.start()
        waiting.join()
    closing_it.join()
    wait()
    assert len(told) == 2


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


def test_pages_api_and_engine_show_one_order_whatever_the_limit(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With captions that name a photo, more are reranked than the shortlist holds."""
    monkeypatch.setattr("web.searches.RERANKED", 4)
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 3)
    with Library.open(library, generation=generation(weights)) as written:
        with SearchEngine.open(library, weights=weights) as engine:
            farthest = engine.search(SENTENCE, rerank=False).hits[-1].photo_id
        written.annotate(farthest, caption="red", tags=["circle"])
    with SearchEngine.open(library, weights=weights) as engine:
        result = engine.search(SENTENCE, limit=100, shortlist=4)
    assert result.reranked == 5
    expected = [hit.photo_id for hit in result.hits]
    assert len(expected) == PHOTO_COUNT
    with opened(library, weights) as app:
        client = app.test_client()
        for limit in (1, 2, 3, 4, 5, 6, 7, 11, 12, 50):
            assert [hit["photo_id"] for hit in hits(client, limit=limit)] == expected[:limit]
            assert through_api(client, limit) == expected
        assert through_pages(client) == expected


def through_api(client: FlaskClient, limit: int) -> list[int]:
    seen: list[int] = []
    more: dict[str, str] = {}
    while True:
        answer: Any = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": limit} | more).json
        assert answer["reranked"] == 5
        seen += [hit["photo_id"] for hit in answer["hits"]]
        if answer["next"] is None:
            return seen
        more = {"cursor": answer["next"]}


def through_pages(client: FlaskClient) -> list[int]:
    seen, address = [], f"/?q={SENTENCE}"
    while True:
        page = client.get(address).text
        page = page[page.index('<section class="reranked"') :] if "reranked" in page else page
        seen += [int(photo_id) for photo_id in re.findall(r"/photos/(\d+)/thumbnail", page)]
        following = re.search(r'class="more" rel="next" href="([^"]+)"', page)
        if following is None:
            return seen
        address = html.unescape(following[1])


def test_searches_that_wait_while_other_weights_take_over_are_answered_by_those(
    library: Path, weights: Path, photos: Path, other_weights: Path
) -> None:
    with opened(library, weights) as app:
        service = service_of(app)
        before = service.engine()
        answers: list[int] = []

        def ask() -> None:
            answers.append(app.test_client().get("/api/v1/search", query_string={"q": SENTENCE}).status_code)

        waiting = [Thread(target=ask) for _ in range(3)]
        with at_work(service.searches.turns):
            for thread in waiting:
                thread.start()
            while service.searches.turns.waiting < 3:
                time.sleep(0.01)
            index(library, photos, other_weights)
            assert service.engine() is not before
            assert before.photo(1).id == 1  # not closed
        for thread in waiting:
            thread.join()
        assert answers == [200, 200, 200]
        gone = ref(before)
        del before
        assert gone() is None, "closed with the last request that held it"


def test_a_server_that_is_stopped_opens_nothing_again(library: Path, weights: Path) -> None:
    with opened(library, weights) as app:
        assert len(hits(app.test_client())) == PHOTO_COUNT
    for address in ("/api/v1/search?q=dog", "/api/v1/photos/1", "/api/v1/photos/1/duplicates", "/api/v1/facets"):
        assert app.test_client().get(address).status_code == 503
    assert not list(library.glob("*-wal"))


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
