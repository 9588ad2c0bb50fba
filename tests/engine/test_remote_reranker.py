"""The reranker on other machines: what a search does while it is there, and while it is away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.results import SearchResult
from engine.search import SearchEngine
from indexer.library.settings import change
from tests.engine.libraries import PHOTO_COUNT, SENTENCE
from tests.engine.rerankers import Reranker, listening


@pytest.fixture
def reranker(weights: Path) -> Reranker:
    return Reranker(weights)


@pytest.fixture
def address(reranker: Reranker) -> Iterator[str]:
    with listening(reranker) as address:
        yield address


@pytest.fixture
def engine(library: Path, weights: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SearchEngine]:
    monkeypatch.setattr("model.runtime.remote_pairs._TIMEOUT_S", 60.0)
    monkeypatch.setattr("model.runtime.remote_pairs._PAUSE_S", 0.0)
    change(library, "reranker", [address])
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        yield engine


def ids(result: SearchResult) -> list[int]:
    return [hit.photo_id for hit in result.hits]


def is_in_the_order_of_the_shortlist(engine: SearchEngine, result: SearchResult, reason: str) -> None:
    nearest = engine.search(result.query, rerank=False)
    assert result.hits == nearest.hits
    assert (result.reranked, result.line, result.absence) == (0, 0, None)
    assert all(hit.match is None and hit.score is None for hit in result.hits)
    (hint,) = result.hints
    assert (hint.kind, hint.query) == ("not_reranked", result.query)
    assert reason in hint.text


@pytest.mark.parametrize("query", [SENTENCE, "a green triangle -square", "red", 'a "white circle" type:jpg'])
def test_it_gives_the_scores_that_this_machine_gives(
    engine: SearchEngine, reranker: Reranker, indexed: Path, weights: Path, query: str
) -> None:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as alone:
        expected = alone.search(query)
    result = engine.search(query)
    assert reranker.asked
    assert (result.hits, result.line, result.reranked) == (expected.hits, expected.line, expected.reranked)
    assert result.hints == expected.hints


def test_photos_like_a_photo_and_words_are_reranked_there_too(
    engine: SearchEngine, reranker: Reranker, indexed: Path, weights: Path
) -> None:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as alone:
        assert engine.similar(1, SENTENCE) == alone.similar(1, SENTENCE)
    assert reranker.asked == 1
    reranker.fail = lambda: (500, b"")
    hits = engine.similar(1, SENTENCE)
    assert len(hits) == PHOTO_COUNT - 1
    assert {hit.match for hit in hits} == {None}


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (lambda: (500, b"Traceback"), "it answers with status 500"),
        (lambda: (503, b""), "it is overloaded, or is starting"),
        (lambda: (409, b""), "it holds other weights"),
        (lambda: (404, b""), "it answers with status 404"),
        (lambda: (200, b"short"), "5 bytes are not the logits of 12 pairs"),
        (lambda: (200, b"\xff" * 4 * PHOTO_COUNT), "a logit is not a number"),
        (lambda: (299, b""), "it answers with status 299"),
    ],
)
def test_a_reranker_that_fails_leaves_the_order_of_the_shortlist(
    engine: SearchEngine, reranker: Reranker, fail: Callable[[], tuple[int, bytes]], reason: str
) -> None:
    before = engine.search(SENTENCE)
    reranker.fail = fail
    is_in_the_order_of_the_shortlist(engine, engine.search(SENTENCE), reason)
    reranker.fail = None
    assert engine.search(SENTENCE).hits == before.hits, "as soon as it is back"


def test_a_reranker_that_is_too_slow_is_not_waited_for(
    engine: SearchEngine, reranker: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine.search(SENTENCE)
    monkeypatch.setattr("model.runtime.remote_pairs._PAUSE_S", 60.0)
    monkeypatch.setattr("model.runtime.remote_pairs._TIMEOUT_S", 0.5)
    reranker.go_on.clear()
    is_in_the_order_of_the_shortlist(engine, engine.search(SENTENCE), "it has not answered for 0.5 s")
    reranker.go_on.set()
    asked = reranker.asked
    is_in_the_order_of_the_shortlist(engine, engine.search(SENTENCE), "it has not answered for 0.5 s")
    assert reranker.asked == asked, "the next search does not wait for it again"
    now = "model.runtime.remote_pairs.time.monotonic"
    later = engine._reranker._scorer._paused_until + 1  # type: ignore[attr-defined]
    monkeypatch.setattr(now, lambda: later)
    monkeypatch.setattr("model.runtime.remote_pairs._TIMEOUT_S", 60.0)
    assert engine.search(SENTENCE).hits == before.hits


def test_a_reranker_that_is_gone_is_used_again_once_it_is_back(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("model.runtime.remote_pairs._TIMEOUT_S", 60.0)
    monkeypatch.setattr("model.runtime.remote_pairs._PAUSE_S", 0.0)
    reranker = Reranker(weights)
    with listening(reranker) as address:
        change(library, "reranker", [address])
        with SearchEngine.open(library, weights=weights, device="cpu") as engine:
            before = engine.search(SENTENCE)
    with SearchEngine.open(library, weights=weights, device="cpu") as engine, caplog.at_level(logging.WARNING):
        for _ in range(2):
            is_in_the_order_of_the_shortlist(engine, engine.search(SENTENCE), "Connection refused")
        assert len(caplog.records) == 1, "which is logged once"
        with listening(reranker, urlsplit(address).port or 0):
            assert engine.search(SENTENCE).hits == before.hits
        assert "is back" in caplog.records[1].message


def test_why_a_photo_matches_needs_no_reranker(engine: SearchEngine, reranker: Reranker) -> None:
    matches = {hit.photo_id: hit.match for hit in engine.search(SENTENCE).hits}
    reranker.fail = lambda: (500, b"")
    assert engine.explain(1, SENTENCE).match == pytest.approx(matches[1], abs=1e-4)
