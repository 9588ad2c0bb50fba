"""Photos that leave the library while a question about them is being answered."""

from __future__ import annotations

import inspect
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.duplicates import find_duplicates
from engine.search import SearchEngine
from indexer.library.errors import LibraryClosed, PhotoMissing
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from tests.engine.libraries import PHOTO_COUNT, SENTENCE

GONE = 3


@pytest.fixture(scope="module")
def model(weights: Path) -> TrainedModel:
    return TrainedModel(weights, device="cpu")


@pytest.fixture
def engine(library: Path, model: TrainedModel) -> Iterator[SearchEngine]:
    with SearchEngine.over(library, model) as opened:
        yield opened


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def lose_the_files(library: Path, ids: str) -> None:
    execute(library / "catalog.sqlite", f"DELETE FROM location WHERE photo_id IN ({ids})")


def lose_the_encodings(library: Path, ids: str) -> None:
    (encodings,) = library.glob("encodings-*.sqlite")
    execute(encodings, *(f"DELETE FROM {table} WHERE photo_id IN ({ids})" for table in ("embedding", "pixel_features")))


def lose_the_pixel_features(library: Path, ids: str) -> None:
    (encodings,) = library.glob("encodings-*.sqlite")
    execute(encodings, f"DELETE FROM pixel_features WHERE photo_id IN ({ids})")


WAYS = [lose_the_files, lose_the_encodings, lose_the_pixel_features]


def vanishing(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, step: str, lose: Callable[[Path, str], None], ids: str
) -> None:
    """Have photos vanish after that step of an answer."""
    library, read = engine._library, getattr(engine._library, step)

    def read_and_lose(*arguments: Any, **named: Any) -> object:
        answer = read(*arguments, **named)
        lose(library.path, ids)
        return answer

    monkeypatch.setattr(library, step, read_and_lose)


@pytest.mark.parametrize("lose", WAYS)
@pytest.mark.parametrize(
    "question",
    [
        {},
        {"rerank": False},
        {"sort": "date"},
        {"shortlist": 5},
        {"query": f"{SENTENCE} -dog"},
        {"query": f"{SENTENCE} -dog", "rerank": False},
        {"query": f"{SENTENCE} type:jpg"},
    ],
)
def test_a_photo_that_vanishes_is_left_out_of_a_search(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Path, str], None], question: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"query": SENTENCE, "limit": 100} | question
    before = engine.search(**asked).hits
    gone = [hit.photo_id for hit in before[:GONE]]
    vanishing(engine, monkeypatch, "shortlist", lose, ",".join(map(str, gone)))
    after = [hit.photo_id for hit in engine.search(**asked).hits]
    needs_what_is_lost = lose is lose_the_files or question.get("rerank", True)
    expected = [hit.photo_id for hit in before if hit.photo_id not in gone]
    if needs_what_is_lost and "dog" not in asked["query"]:
        assert after == expected
    else:  # what counts against a photo depends on those beside it
        assert set(expected) <= set(after)
        assert len(set(after)) == len(after)


@pytest.mark.parametrize("step", ["pixel_features", "pooled_features", "annotation_matches", "matching"])
@pytest.mark.parametrize("lose", WAYS)
def test_it_may_vanish_at_any_step(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, step: str, lose: Callable[[Path, str], None]
) -> None:
    everything = [hit.photo_id for hit in engine.search(SENTENCE, limit=100).hits]
    gone = everything[1 : 1 + GONE]
    vanishing(engine, monkeypatch, step, lose, ",".join(map(str, gone)))
    hits = engine.search(f"{SENTENCE} type:jpg", limit=100).hits
    assert set(everything) - set(gone) <= {hit.photo_id for hit in hits}
    again = engine.search(f"{SENTENCE} type:jpg", limit=100, shortlist=PHOTO_COUNT).hits
    assert set(gone).isdisjoint(hit.photo_id for hit in again if hit.match is not None)


@pytest.mark.parametrize("lose", WAYS)
@pytest.mark.parametrize("words", ["", "a red circle", "a red circle -dog", "-dog"])
def test_a_photo_that_vanishes_is_left_out_of_those_similar(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Path, str], None], words: str
) -> None:
    itself, *gone = [hit.photo_id for hit in engine.search(SENTENCE, limit=1 + GONE).hits]
    rest = {hit.photo_id for hit in engine.similar(itself, words, limit=100)} - set(gone)
    vanishing(engine, monkeypatch, "shortlist", lose, ",".join(map(str, gone)))
    similar = [hit.photo_id for hit in engine.similar(itself, words, limit=100)]
    assert rest <= set(similar)
    assert len(set(similar)) == len(similar)
    if lose is lose_the_files:
        assert set(similar) == rest


@pytest.mark.parametrize("lose", WAYS)
@pytest.mark.parametrize("step", ["shortlist", "embeddings", "pixel_features", "paths", "photo_ids"])
def test_a_photo_that_vanishes_is_left_out_of_duplicates(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, lose: Callable[[Path, str], None], step: str
) -> None:
    itself, *gone = [hit.photo_id for hit in engine.search(SENTENCE, limit=1 + GONE).hits]
    vanishing(engine, monkeypatch, step, lose, ",".join(map(str, gone)))
    assert itself in [copy.photo_id for copy in engine.duplicates(itself)]
    assert find_duplicates(engine._library, agreement=-1.0) is not None


@pytest.mark.parametrize("lose", WAYS)
def test_a_question_about_one_photo_says_that_it_has_gone(
    engine: SearchEngine, lose: Callable[[Path, str], None]
) -> None:
    gone = engine.search(SENTENCE, limit=1).hits[0].photo_id
    lose(engine._library.path, str(gone))
    for ask in (engine.explain, engine.ask):
        with pytest.raises(PhotoMissing, match=f"photo {gone} is no longer in the library"):
            ask(gone, SENTENCE)
    if lose is not lose_the_pixel_features:
        with pytest.raises(PhotoMissing, match=f"photo {gone} is no longer in the library"):
            engine.similar(gone)


PUBLIC = {
    owner: sorted(
        name
        for name, method in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_") and name not in ("close", "close_when_unused")
    )
    for owner in (SearchEngine, LibraryView)
}


@pytest.mark.parametrize("name", PUBLIC[SearchEngine])
def test_after_close_every_method_of_an_engine_says_so(engine: SearchEngine, name: str) -> None:
    engine.close()
    engine.close()
    check_closed(engine, name)


@pytest.mark.parametrize("name", PUBLIC[LibraryView])
def test_after_close_every_method_of_a_library_says_so(engine: SearchEngine, name: str) -> None:
    engine._library.close()
    check_closed(engine._library, name)


def check_closed(owner: object, name: str) -> None:
    method = getattr(owner, name)
    needed = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    positional = [1 for parameter in needed if parameter.kind is not parameter.KEYWORD_ONLY]

    def call() -> None:
        result = method(*positional, **{parameter.name: 1 for parameter in needed[len(positional) :]})
        with result:  # a context manager does nothing before it is entered
            pass

    with pytest.raises(LibraryClosed, match=r"has been closed\. Open it again"):
        call()


def test_closing_waits_for_searches_and_opens_no_file_again(library: Path, model: TrainedModel) -> None:
    engine = SearchEngine.over(library, model)
    expected = engine.search(SENTENCE).hits
    answers: list[object] = []

    def ask() -> None:
        while True:
            try:
                answers.append(engine.search(SENTENCE).hits)
            except LibraryClosed as error:
                answers.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(answers) < 8:
        time.sleep(0.01)
    engine.close()
    assert not list(library.glob("*-wal"))  # SQLite deletes it with the last connection
    for thread in threads:
        thread.join()
    assert not list(library.glob("*-wal"))
    assert sum(isinstance(answer, LibraryClosed) for answer in answers) == len(threads)
    assert [answer for answer in answers if not isinstance(answer, LibraryClosed)] == [expected] * (
        len(answers) - len(threads)
    )
