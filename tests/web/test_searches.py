from __future__ import annotations

import html
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any
from weakref import ref

import pytest
from flask import Flask
from flask.testing import FlaskClient

from engine.pipeline import Shortlist
from engine.query import Query
from engine.search import SearchEngine
from indexer.library.errors import LibraryClosed
from indexer.library.settings import Settings
from indexer.library.view import LibraryView
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index, recalibrate
from tests.model.scenes import caption, scenes
from tests.waiting import wait_until
from tests.web.applications import busy, hits, opened, served
from web.disconnection import ClientDisconnected
from web.searches import Busy, ModelQueue
from web.service import service_of


def never() -> bool:
    return False


def test_beyond_the_bound_a_search_is_told_to_come_again(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = ModelQueue(0)
    monkeypatch.setattr(service_of(app).searches, "queue", queue)
    with closing(queue), busy(queue):
        answer = client.get("/api/v1/search", query_string={"q": SENTENCE})
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert answer.headers["Retry-After"] == "5"
        page = client.get("/", query_string={"q": SENTENCE})
        assert page.status_code == 503
        assert "Too many searches" in page.text


def test_who_would_wait_too_long_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.searches._LATEST", 1)
    monkeypatch.setattr("web.searches._MAX_WAIT_S", 0.03)
    with closing(ModelQueue(64)) as queue:
        queue.run(lambda: time.sleep(0.05), never)
        assert queue.wait_s() == 0
        waiting = Thread(target=lambda: queue.run(lambda: "found", never))
        with busy(queue):
            waiting.start()
            while not queue.waiting:
                pass
            with pytest.raises(Busy, match="Try again in 5 seconds") as refused:
                queue.run(lambda: pytest.fail("out of turn"), never)
        waiting.join()
        assert refused.value.retry_after_s == 5
        assert queue.run(lambda: "found", never) == "found"


def test_as_many_run_at_once_as_the_engine_says() -> None:
    with closing(ModelQueue(0, at_once=lambda: 3)) as queue, busy(queue):
        assert (queue.at_once, queue.waiting) == (3, 0)
        with pytest.raises(Busy):
            queue.run(lambda: pytest.fail("out of turn"), never)


def test_searches_at_once_find_what_each_finds_alone(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_of(app).engine(), "_turns", BoundedSemaphore(4))
    sentences = [caption(scene) for scene in scenes()[:8]]
    alone = [hits(client, q=sentence, limit=5) for sentence in sentences]
    with ThreadPoolExecutor(4) as people, closing(ModelQueue(64, at_once=lambda: 4)) as queue:
        monkeypatch.setattr(service_of(app).searches, "queue", queue)
        together = list(people.map(lambda sentence: hits(app.test_client(), q=sentence, limit=5), sentences))
    assert together == alone


def test_while_many_wait_fewer_photos_are_reranked_and_it_says_so(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.searches._TARGET_S", 0.0)
    monkeypatch.setattr("web.searches._MIN_RERANKED", 3)
    queue, question = service_of(app).searches.queue, {"q": SENTENCE, "limit": PHOTO_COUNT}
    alone = client.get("/api/v1/search", query_string=question).get_json()
    assert (alone["reranked"], alone["hints"]) == (PHOTO_COUNT, [])
    with monkeypatch.context() as crowd:
        crowd.setattr(queue, "waiting", 5)
        answer = client.get("/api/v1/search", query_string=question).get_json()
        page = client.get("/", query_string={"q": SENTENCE}).text
        assert queue.waiting == 5
    (hint,) = answer["hints"]
    assert (answer["reranked"], hint["kind"], hint["query"]) == (3, "busy", SENTENCE)
    assert "only 3 photos were compared closely" in hint["text"]
    assert hint["text"] in html.unescape(page)
    match_of = {hit["photo_id"]: hit["match"] for hit in alone["hits"]}
    by_similarity = client.get("/api/v1/search", query_string={**question, "rerank": "false"}).get_json()["hits"]
    nearest = [hit["photo_id"] for hit in by_similarity]
    assert {hit["photo_id"] for hit in answer["hits"][:3]} == {*nearest[:3]}
    assert [hit["photo_id"] for hit in answer["hits"][3:]] == nearest[3:]
    assert all(hit["match"] == match_of[hit["photo_id"]] for hit in answer["hits"][:3])
    assert all(hit["match"] is None for hit in answer["hits"][3:])
    assert client.get("/api/v1/search", query_string=question).get_json()["hits"] == alone["hits"]


def test_a_turn_comes_when_the_one_before_ends() -> None:
    with closing(ModelQueue(1)) as queue:
        answers: list[str] = []
        waiting = Thread(target=lambda: answers.append(queue.run(lambda: "found", never)))
        with busy(queue):
            waiting.start()
            while not queue.waiting:
                pass
            with pytest.raises(Busy):
                queue.run(lambda: pytest.fail("out of turn"), never)
            assert answers == []
        waiting.join()
        assert answers == ["found"]
        assert queue.waiting == 0


def test_who_waits_when_the_server_stops_is_told_so() -> None:
    queue, messages = ModelQueue(2), list[str]()

    def wait() -> None:
        with pytest.raises(LibraryClosed, match="the server is stopping") as error:
            queue.run(lambda: pytest.fail("out of turn"), never)
        messages.append(str(error.value))

    waiting, closing_it = Thread(target=wait), Thread(target=queue.close)
    with busy(queue):
        waiting.start()
        while not queue.waiting:
            pass
        closing_it.start()
        waiting.join()
    closing_it.join()
    wait()
    assert len(messages) == 2


def test_who_has_hung_up_costs_the_model_nothing() -> None:
    with closing(ModelQueue(1)) as queue:
        with pytest.raises(ClientDisconnected):
            queue.run(lambda: pytest.fail("the model was asked"), lambda: True)
        assert queue.run(lambda: "found", never) == "found"


def test_a_failure_is_told_to_who_asked_and_frees_the_model() -> None:
    with closing(ModelQueue(0)) as queue:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                queue.run(lambda: 1 // 0, never)


def test_pages_api_and_engine_show_one_order_whatever_the_limit(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With captions that name a photo, more are reranked than the shortlist holds."""
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=4))
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 3)
    with LibraryView.open(library, generation=generation(weights)) as written:
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
        assert (answer["reranked"], answer["hints"]) == (5, [])
        assert answer["line"] == 5, "on every page the same"
        seen += [hit["photo_id"] for hit in answer["hits"]]
        if answer["next"] is None:
            return seen
        more = {"cursor": answer["next"]}


def photo_ids(page: str) -> list[int]:
    return [int(photo_id) for photo_id in re.findall(r"/photos/(\d+)/thumbnail", page)]


def through_pages(client: FlaskClient, query: str = SENTENCE) -> list[int]:
    seen, address = [], f"/?q={query}"
    while True:
        page = client.get(address).text
        seen += photo_ids(page[page.index('<section class="reranked"') :] if "reranked" in page else page)
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
        with busy(service.searches.queue):
            for thread in waiting:
                thread.start()
            while service.searches.queue.waiting < 3:
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
    queue, engine = ModelQueue(5), service.engine()
    searched: list[str] = []
    has_hung_up: list[Callable[[], bool]] = []
    answer = app.wsgi_app

    def shortlist(query: Query, **options: Any) -> Shortlist:
        searched.append(query.words)
        return SearchEngine.shortlist(engine, query, **options)

    def take(environ: dict[str, Any], start_response: Any) -> Any:
        has_hung_up.append(environ["waitress.client_disconnected"])
        return answer(environ, start_response)

    monkeypatch.setattr(app, "wsgi_app", take)
    monkeypatch.setattr(service.searches, "queue", queue)
    monkeypatch.setattr(engine, "shortlist", shortlist)
    with closing(queue), served(app) as address:
        host, port = address.removeprefix("http://").split(":")
        connections = []
        with busy(queue):
            for number, word in enumerate(("gone", "here"), start=1):
                connection = socket.create_connection((host, int(port)), timeout=30)
                connection.sendall(f"GET /api/v1/search?q={word} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                connections.append(connection)
                while queue.waiting < number:
                    time.sleep(0.01)
            connections[0].close()
            wait_until(has_hung_up[0])
        with connections[1] as connection:
            assert connection.recv(12) == b"HTTP/1.1 200"
    assert searched == ["here"]


def encoded_sentences(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the model encodes from now on."""
    runtime, encoded = service_of(app).model().runtime, list[list[str]]()
    encode_text = runtime.encode_text

    def encode(sentences: list[str]) -> object:
        encoded.append(sentences)
        return encode_text(sentences)

    monkeypatch.setattr(runtime, "encode_text", encode)
    return encoded


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (SENTENCE, [[SENTENCE]]),
        (f"{SENTENCE} -dog type:jpg", [[SENTENCE, "dog"]]),
        ("type:jpg", []),
    ],
)
def test_a_query_is_encoded_once_for_the_shortlist_the_rerank_and_all_later_pages(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch, query: str, expected: list[list[str]]
) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=4))
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 3)
    encoded = encoded_sentences(app, monkeypatch)
    assert len(through_pages(client, query)) == PHOTO_COUNT
    assert encoded == expected


def test_the_rerank_is_of_the_shortlist_that_was_shown(
    library: Path, weights: Path, photos: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "new.jpg").write_bytes((photos / "scene 03.jpg").read_bytes() + b"other bytes")
    with opened(library, weights) as app:
        parts = app.test_client().get("/", query_string={"q": SENTENCE}).iter_encoded()
        shown = photo_ids(next(parts).decode())
        index(library, more, weights)
        reranked = next(parts).decode()
        assert sorted(photo_ids(reranked)[:PHOTO_COUNT]) == sorted(shown)
        assert reranked.count('<span class="unseen">, match ') == PHOTO_COUNT


def test_a_shortlist_of_other_weights_is_made_anew(
    library: Path, weights: Path, photos: Path, other_weights: Path
) -> None:
    with opened(library, weights) as app:
        parts = app.test_client().get("/", query_string={"q": SENTENCE}).iter_encoded()
        next(parts)
        index(library, photos, other_weights)
        reranked = photo_ids(next(parts).decode())
    with SearchEngine.open(library, weights=other_weights) as engine:
        assert reranked == [hit.photo_id for hit in engine.search(SENTENCE).hits]


def test_later_pages_are_found_with_other_weights_once_these_have_taken_over(
    library: Path, weights: Path, photos: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "load", lambda _: Settings(shortlist=4))
    with opened(library, weights) as app:
        client = app.test_client()
        answer: Any = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 4}).json
        index(library, photos, other_weights)
        more: Any = client.get(
            "/api/v1/search", query_string={"q": SENTENCE, "limit": 50, "cursor": answer["next"]}
        ).json
    photo_ids = [hit["photo_id"] for hit in answer["hits"] + more["hits"]]
    assert sorted(photo_ids) == sorted(set(photo_ids))
    assert len(photo_ids) == PHOTO_COUNT


def test_only_the_latest_searches_are_remembered_and_the_others_are_made_again(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.searches._MAX_SNAPSHOTS", 2)
    expected, cursors = hits(client), list[str]()
    for _ in range(3):
        answer: Any = client.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 2}).json
        cursors.append(answer["next"])
    for cursor in cursors:
        assert hits(client, cursor=cursor) == expected[2:]
    assert len(service_of(app).searches._snapshots) == 2


def place_and_match(client: FlaskClient, photo_id: int, **question: str) -> str:
    """What the page of a photo says of it in the results of a search, by default for SENTENCE."""
    page = client.get(f"/photos/{photo_id}", query_string={"q": SENTENCE, **question}).text
    caption = re.search(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    assert caption is not None
    return caption[1]


@pytest.mark.parametrize("sort", ["match", "date"])
def test_the_page_of_a_photo_is_the_same_whatever_programs_search_for(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    with opened(library, weights) as app:
        client = app.test_client()
        recalibrate(service_of(app).engine(), monkeypatch)
        found = [hit["photo_id"] for hit in hits(client, sort=sort, limit=PHOTO_COUNT)]
        said = [place_and_match(client, photo_id, sort=sort) for photo_id in found]
        assert [text.split()[0] for text in said] == [str(place) for place in range(1, PHOTO_COUNT + 1)]
        assert all(" match</span>" in text for text in said)
        for other in ({"rerank": "false"}, {"sort": "date"}, {"sort": "match"}):
            hits(client, **other)
            assert [place_and_match(client, photo_id, sort=sort) for photo_id in found] == said, other


def test_the_page_of_a_photo_knows_what_was_taught_since(library: Path, word_weights: Path) -> None:
    with opened(library, word_weights) as app:
        client, view = app.test_client(), service_of(app).view()
        ids = view.photo_ids().tolist()
        word = view.teach_word("zorro")
        view.answer(word.id, ids[:4], shown=True)
        hits(client, q="zorro")
        shown = place_and_match(client, ids[3], q="zorro")
        view.answer(word.id, ids[3:4], shown=False)
        not_shown = place_and_match(client, ids[3], q="zorro")
        hits(client, q="zorro")
        assert place_and_match(client, ids[3], q="zorro") == not_shown != shown
