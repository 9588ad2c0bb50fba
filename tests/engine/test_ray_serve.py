"""The reranker on a real Ray Serve, whose replicas and processes are killed and stopped."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.results import SearchResult
from engine.search import SearchEngine
from indexer.library.settings import change
from model.bundle import TrainedModel
from model.runtime.pairs_message import pack, unpack_logits
from tests.engine.libraries import SENTENCE, index
from tests.engine.ray_serve import RayServe, ray_serve
from tests.model.scenes import caption, scenes
from tests.web.applications import opened

pytestmark = [
    pytest.mark.scale,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'pixelseek[scale]'"),
]
SENTENCES = [caption(scene) for scene in scenes()[:8]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[RayServe]:
    with ray_serve(tmp_path_factory.mktemp("ray"), weights) as server:
        yield server


@pytest.fixture
def remote(library: Path, server: RayServe) -> Path:
    """A library whose photos are reranked by that server, which answers."""
    server.wait()
    change(library, "reranker", [server.url])
    return library


@pytest.fixture
def engine(remote: Path, weights: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(remote, weights=weights, device="cpu") as engine:
        yield engine


def was_reranked(result: SearchResult) -> bool:
    """Either it was, or it says that it was not: nothing in between."""
    marked = any(hint.kind == "not_reranked" for hint in result.hints)
    assert marked is (result.reranked == 0)
    assert all((hit.match is None) is marked for hit in result.hits)
    return not marked


def search_until(engine: SearchEngine, *, reranked: bool, seconds: float = 90) -> SearchResult:
    """Search on until photos are reranked, or no longer are. No search may fail or take long."""
    end = time.monotonic() + seconds
    while True:
        start = time.monotonic()
        result = engine.search(SENTENCE)
        assert time.monotonic() - start < 30
        if was_reranked(result) is reranked:
            return result
        assert time.monotonic() < end
        time.sleep(0.2)


def test_replicas_give_the_scores_that_this_machine_gives(engine: SearchEngine, indexed: Path, weights: Path) -> None:
    search_until(engine, reranked=True)
    with SearchEngine.open(indexed, weights=weights, device="cpu") as alone, ThreadPoolExecutor(4) as people:
        results = list(people.map(engine.search, SENTENCES))
        for result, sentence in zip(results, SENTENCES, strict=True):
            expected = alone.search(sentence)
            assert (result.hits, result.line, result.hints) == (expected.hits, expected.line, expected.hints)


def test_requests_of_two_clients_share_a_batch_and_none_changes_another(
    server: RayServe, weights: Path, indexed: Path
) -> None:
    server.wait()
    model = TrainedModel(weights, device="cpu")
    random = np.random.default_rng(0)
    with SearchEngine.open(indexed, weights=weights, device="cpu") as engine:
        photos = list(engine._library.pixel_features(range(1, 13)).values())
    questions = []
    for sentence in SENTENCES:
        chosen = [photos[row] for row in random.permutation(len(photos))[: random.integers(1, len(photos))]]
        questions.append((model.runtime.encode_text([sentence]), chosen))

    def ask(question: Any) -> tuple[int, np.ndarray]:
        text, features = question
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/", pack(model.generation, text, features))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body
        return int(answer.headers["Pixelseek-Batch"]), unpack_logits(body, len(features))

    sizes = []
    with ThreadPoolExecutor(len(questions)) as clients:
        for _ in range(5):
            answers = list(clients.map(ask, questions))
            for (size, logits), (text, features) in zip(answers, questions, strict=True):
                np.testing.assert_allclose(logits, model.runtime.itm_logits(text, features), atol=1e-4)
                sizes.append(size)
    assert max(sizes) > 1


@pytest.mark.parametrize(
    ("message", "status"), [(b"", 400), (b"{}\n", 400), (b"\x80\x05pickle", 400), (b"x" * 100_000, 400)]
)
def test_a_replica_refuses_what_is_no_request(server: RayServe, message: bytes, status: int) -> None:
    server.wait()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/", message)
    assert connection.getresponse().status == status
    connection.close()


def test_with_other_weights_nothing_is_mixed(
    server: RayServe, photos: Path, other_weights: Path, tmp_path: Path
) -> None:
    server.wait()
    index(tmp_path / "other", photos, other_weights)
    change(tmp_path / "other", "reranker", [server.url])
    with SearchEngine.open(tmp_path / "other", weights=other_weights, device="cpu") as engine:
        result = engine.search(SENTENCE)
    assert not was_reranked(result)
    assert "it holds other weights" in result.hints[0].text


def test_a_replica_that_is_killed_is_replaced(engine: SearchEngine, server: RayServe) -> None:
    before = search_until(engine, reranked=True)
    (replica,) = server.replicas()
    os.kill(replica, signal.SIGKILL)
    search_until(engine, reranked=False)
    assert search_until(engine, reranked=True).hits == before.hits
    assert server.replicas() != [replica]


def test_a_replica_that_does_not_answer_is_not_waited_for(engine: SearchEngine, server: RayServe) -> None:
    before = search_until(engine, reranked=True)
    (replica,) = server.replicas()
    os.kill(replica, signal.SIGSTOP)
    try:
        start = time.monotonic()
        result = engine.search(SENTENCE)
        assert not was_reranked(result)
        assert "it has not answered for 3 s" in result.hints[0].text
        assert time.monotonic() - start < 15
    finally:
        os.kill(replica, signal.SIGCONT)
    assert search_until(engine, reranked=True).hits == before.hits


def test_while_ray_serve_is_gone_pages_and_json_say_so_and_all_is_well_after_it_is_back(
    server: RayServe, remote: Path, weights: Path
) -> None:
    question = {"q": SENTENCE}
    with opened(remote, weights) as app:
        client = app.test_client()

        def answer() -> Any:
            found: Any = client.get("/api/v1/search", query_string=question).json
            return found

        end = time.monotonic() + 60
        while not (before := answer())["reranked"]:
            assert time.monotonic() < end
        server.kill()
        away = answer()
        assert away["reranked"] == 0
        assert [hint["kind"] for hint in away["hints"]] == ["not_reranked"]
        nearest: Any = client.get("/api/v1/search", query_string={**question, "rerank": "false"}).json
        assert away["hits"] == nearest["hits"]
        page = client.get("/", query_string=question).text
        assert "The nearest photos" in page
        assert "none was compared closely" in page
        server.start()
        end = time.monotonic() + 60
        while not (after := answer())["reranked"]:
            assert time.monotonic() < end
            time.sleep(0.5)
        assert after["hits"] == before["hits"]
