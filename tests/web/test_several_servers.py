"""Several servers of one library behind a load balancer: each request may come to another one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.web.applications import hits, opened, token
from tests.web.test_searches import through_pages
from web.access import set_password
from web.service import service_of


@pytest.fixture
def servers(library: Path, weights: Path) -> Iterator[tuple[Flask, Flask]]:
    with opened(library, weights) as first, opened(library, weights) as second:
        yield first, second


@pytest.fixture
def clients(servers: tuple[Flask, Flask]) -> tuple[FlaskClient, FlaskClient]:
    return servers[0].test_client(), servers[1].test_client()


class Balancer:
    """Asks one server after the other."""

    def __init__(self, *clients: FlaskClient) -> None:
        self._clients = clients
        self._asked = 0

    def get(self, *arguments: Any, **request: Any) -> Any:
        self._asked += 1
        return self._clients[self._asked % len(self._clients)].get(*arguments, **request)


@pytest.mark.parametrize("question", [{}, {"rerank": "false"}, {"sort": "date"}], ids=str)
def test_the_next_page_may_be_asked_of_another_server(
    clients: tuple[FlaskClient, FlaskClient], question: dict[str, str]
) -> None:
    expected = hits(clients[0], **question)
    balancer = Balancer(*clients)
    page = balancer.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3, **question}).json
    found = page["hits"]
    while page["next"]:
        page = balancer.get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3, "cursor": page["next"]}).json
        found += page["hits"]
    assert len(expected) == PHOTO_COUNT
    assert found == expected


def test_the_pages_of_several_servers_are_those_of_one(
    clients: tuple[FlaskClient, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.PHOTOS_A_PAGE", 3)
    monkeypatch.setattr("indexer.library.settings.Settings.shortlist", 4)
    expected = through_pages(clients[0])
    assert len(expected) == PHOTO_COUNT
    assert through_pages(Balancer(*clients)) == expected  # type: ignore[arg-type]


def test_the_pages_of_a_search_that_was_cut_short_for_others_go_on(
    servers: tuple[Flask, Flask], clients: tuple[FlaskClient, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.searches._TARGET_S", 0.0)
    monkeypatch.setattr("web.searches._MIN_RERANKED", 4)
    hits(clients[0])
    queue = service_of(servers[0]).searches.queue
    with monkeypatch.context() as crowd:
        crowd.setattr(queue, "waiting", 9)
        first: Any = clients[0].get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3}).json
    assert first["reranked"] == 4
    more: Any = clients[1].get("/api/v1/search", query_string={"q": SENTENCE, "cursor": first["next"]}).json
    assert more["reranked"] == 4
    assert more["hits"] == hits(clients[0], cursor=first["next"])


def test_a_server_that_finds_other_photos_by_now_says_so(
    servers: tuple[Flask, Flask], clients: tuple[FlaskClient, FlaskClient]
) -> None:
    expected = hits(clients[0])
    first: Any = clients[0].get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3}).json
    service_of(servers[1]).view().annotate(expected[-1]["photo_id"], caption=SENTENCE, tags=[])
    question = {"q": SENTENCE, "cursor": first["next"]}
    answer = clients[1].get("/api/v1/search", query_string=question)
    assert answer.status_code == 410
    assert hits(clients[0], cursor=first["next"]) == expected[3:], "which were found before that"
    page = clients[1].get("/", query_string=question)
    assert (page.status_code, "cursor" in page.location) == (302, False)


def test_a_photo_has_the_same_neighbours_on_each_server(clients: tuple[FlaskClient, FlaskClient]) -> None:
    first: Any = clients[0].get("/api/v1/search", query_string={"q": SENTENCE, "limit": 3}).json
    fourth = hits(clients[0])[3]["photo_id"]
    pages = [
        client.get(f"/photos/{fourth}", query_string={"q": SENTENCE, "cursor": first["next"]}).text
        for client in clients
    ]
    assert f"4 of {PHOTO_COUNT}" in pages[0]
    assert f"4 of {PHOTO_COUNT}" in pages[1]


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_a_form_may_be_sent_to_another_server(library: Path, weights: Path, password: str | None) -> None:
    if password:
        set_password(library, password)
    auth = {"auth": ("", password)} if password else {}
    with opened(library, weights) as first, opened(library, weights) as second:
        form = {"csrf_token": token(first.test_client(), **auth)}
        answer = second.test_client().post("/library/cancel", data=form, **auth)
        assert answer.status_code == 302
        forged = second.test_client().post("/library/cancel", data={"csrf_token": f"{form['csrf_token']}x"}, **auth)
        assert forged.status_code == 403


def test_the_key_of_forms_is_for_the_owner_only_and_outlives_the_server(library: Path, weights: Path) -> None:
    with opened(library, weights) as app:
        form = {"csrf_token": token(app.test_client())}
    assert stat.S_IMODE((library / "form-key").stat().st_mode) == 0o600
    with opened(library, weights) as app:
        assert app.test_client().post("/library/cancel", data=form).status_code == 302
    (library / "form-key").write_bytes(b"")  # damaged: a key that anybody knows is none
    with opened(library, weights) as app:
        assert app.test_client().post("/library/cancel", data=form).status_code == 403
    assert not list(library.glob(".form-key*"))
