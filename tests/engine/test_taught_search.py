"""Taught words in a search: how they are found in a query, what they add to scores, and how that is explained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.phrases import Phrase, TaughtName
from engine.results import SearchResult
from engine.search import SearchEngine
from indexer.library.library import Library
from model.scoring.vocabulary import Vocabulary
from tests.engine.libraries import PHOTO_COUNT, SENTENCE

PLAIN = (SENTENCE, "a red circle -square", "rexes", "T. rexus", "a home", "-square taken:2021 circle", "re x")
"""Queries without a taught word."""


def teach(library: Path, name: str, shown: list[int], not_shown: list[int] | None = None) -> int:
    """Teach a word; returns its id."""
    with Library.open(library) as opened:
        word = opened.teach_word(name)
        opened.answer(word.id, shown, shown=True)
        opened.answer(word.id, not_shown or [], shown=False)
        return word.id


def ids_of(result: SearchResult) -> list[int]:
    return [hit.photo_id for hit in result.hits]


@pytest.fixture(scope="module")
def ids(indexed: Path, weights: Path) -> list[int]:
    """The photos in the order of a sentence."""
    with SearchEngine.open(indexed, weights=weights, device="cpu") as engine:
        return ids_of(engine.search("a green square", limit=100))


@pytest.fixture(scope="module")
def taught(
    tmp_path_factory: pytest.TempPathFactory, indexed: Path, weights: Path, ids: list[int]
) -> Iterator[SearchEngine]:
    """An engine over a library in which Rex was taught by four photos that show it and one that does not, a house by
    three, and one of more words; a name with too few photos too. To be read only."""
    library = shutil.copytree(indexed, tmp_path_factory.mktemp("taught") / "library")
    teach(library, "Rex", ids[4:8], ids[8:9])
    teach(library, "house", ids[:3])
    teach(library, "Grandma's house", ids[9:])
    teach(library, "Momo", ids[:2])
    for name in ("\U0001f415", "雷克斯", "C-3 PO"):
        teach(library, name, ids[:3])
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        yield engine


def pieces(phrase: Phrase) -> list[str]:
    """The pieces with anything in them; names of taught words in brackets."""
    return [
        f"[{piece.name}]" if isinstance(piece, TaughtName) else piece.strip()
        for piece in phrase.pieces
        if isinstance(piece, TaughtName) or piece.strip()
    ]


@pytest.mark.parametrize(
    ("text", "expected", "read"),
    [
        ("Rex on the beach", ["[Rex]", "on the beach"], "on the beach"),
        ("a dog and REX", ["a dog and", "[REX]"], "a dog and"),
        ("rex's ball", ["[rex's]", "ball"], "ball"),
        ("Réx", ["[Réx]"], ""),
        ("re\u0301x, swimming", ["[r\xe9x]", ", swimming"], ", swimming"),
        ("ｒｅｘ and rex", ["[ｒｅｘ]", "and", "[rex]"], ""),
        ("grandma\u2019s  HOUSE in winter", ["[grandma\u2019s  HOUSE]", "in winter"], "in winter"),
        ("my house", ["my", "[house]"], ""),
        ("rex at grandma's house", ["[rex]", "at", "[grandma's house]"], ""),
        ("grandma's red house", ["grandma's red", "[house]"], "grandma's red"),
        ("rexes", ["rexes"], "rexes"),
        ("T-Rex", ["T-", "[Rex]"], "T-"),
        ("Momo", ["Momo"], "Momo"),
        ("\U0001f415 in the snow", ["[\U0001f415]", "in the snow"], "in the snow"),
        ("雷克斯 on a couch", ["[雷克斯]", "on a couch"], "on a couch"),
        ("c-3 po and a dog", ["[c-3 po]", "and a dog"], "and a dog"),
        ("rex rex", ["[rex]", "[rex]"], ""),
    ],
)
def test_a_taught_word_is_found_as_a_whole_word_and_the_longest_name_first(
    taught: SearchEngine, text: str, expected: list[str], read: str
) -> None:
    phrase = taught._phrases.read(text)
    assert pieces(phrase) == expected
    assert phrase.read == read


def test_a_query_without_a_taught_word_finds_what_it_found_before(
    taught: SearchEngine, indexed: Path, weights: Path
) -> None:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as before:
        for query in PLAIN:
            expected, result = (engine.search(query, limit=100) for engine in (before, taught))
            assert result.hits == expected.hits, query
            assert (result.line, result.hints) == (expected.line, expected.hints), query


def test_photos_that_show_it_come_first_and_one_that_does_not_comes_last(taught: SearchEngine, ids: list[int]) -> None:
    for query in ("Rex", "rex!", '"Rex"'):
        result = taught.search(query, limit=100)
        assert set(ids_of(result)[:4]) == set(ids[4:8]), query
        assert len(result.hits) == PHOTO_COUNT
        assert all(hit.match is not None for hit in result.hits)
        assert not [hint for hint in result.hints if "Rex" in hint.text]
    refused = next(hit for hit in taught.search("Rex", limit=100).hits if hit.photo_id == ids[8])
    others = [hit.score for hit in taught.search("Rex", limit=100).hits if hit.score is not None and hit.score > 0]
    assert refused.score is not None
    assert others
    assert refused.score < 0


def test_other_words_of_the_query_still_count(taught: SearchEngine, ids: list[int]) -> None:
    orders = [ids_of(taught.search(query, limit=100)) for query in ("Rex", "Rex and a red circle")]
    assert orders[0] != orders[1]
    assert set(orders[1][:4]) == set(ids[4:8])


def test_an_excluded_taught_word_ranks_the_photos_that_show_it_last(taught: SearchEngine, ids: list[int]) -> None:
    for query in ("a red circle -Rex", "a red circle -rex's"):
        assert set(ids_of(taught.search(query, limit=100))[-4:]) == set(ids[4:8])
    plain, without = (ids_of(taught.search(q, rerank=False, limit=100)) for q in ("a red circle", "a red circle -Rex"))
    assert plain != without


def test_a_photo_that_does_not_show_it_is_not_raised_without_a_rerank_either(
    library: Path, weights: Path, ids: list[int]
) -> None:
    word_id = teach(library, "Rex", ids[4:8])
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        (first, *_) = [
            photo for photo in ids_of(engine.search("Rex", rerank=False, limit=100)) if photo not in ids[4:8]
        ]
        with Library.open(library) as opened:
            opened.answer(word_id, [first], shown=False)
        for limit in (1, 3, 100):
            order = ids_of(engine.search("Rex", rerank=False, limit=limit))
            assert order[:limit] == ids_of(engine.search("Rex", rerank=False, limit=100))[:limit]
        assert order.index(first) > PHOTO_COUNT // 2, "the engine that was open knows the answer at once"


def test_a_word_with_too_few_photos_is_found_by_its_tag_alone(taught: SearchEngine, ids: list[int]) -> None:
    assert set(ids_of(taught.search("Momo", limit=2))) == set(ids[:2])


def test_a_photo_and_a_taught_word_are_wanted_together(taught: SearchEngine, ids: list[int]) -> None:
    hits = taught.similar(ids[0], "Rex", limit=100)
    assert {hit.photo_id for hit in hits[:4]} == set(ids[4:8])
    assert len(hits) == PHOTO_COUNT - 1


def test_the_explanation_names_the_taught_word_with_its_log_odds_and_no_map(
    taught: SearchEngine, ids: list[int]
) -> None:
    for query in ("Rex", "a square with Rex and grandma's house"):
        words = taught.word_evidence(ids[4], query)
        (rex,) = [word for word in words if word.word == "Rex"]
        assert rex.is_taught
        assert rex.log_odds >= 5
        assert not rex.can_be_shown
        explanation = taught.explain(ids[4], query)
        assert [(word.word, word.log_odds) for word in explanation.words] == [
            (word.word, word.log_odds) for word in words
        ]
    assert [word.word for word in words] == ["a", "square", "with", "Rex", "and", "grandma's house"]
    (no,) = taught.word_evidence(ids[8], "Rex")
    assert no.log_odds <= -2
    assert taught.explain(ids[4], "Rex").match > taught.explain(ids[8], "Rex").match


@pytest.mark.parametrize("agrees", [True, False])
def test_the_network_reads_a_name_that_it_knows_if_it_means_the_same(
    library: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, agrees: bool
) -> None:
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        order = ids_of(engine.search("red", rerank=False, limit=100))
        parameters = replace(engine._model.scoring_parameters, vocabulary=Vocabulary({"red": 9}))
        monkeypatch.setattr(engine._model, "scoring_parameters", parameters)
        monkeypatch.setattr("engine.phrases._MIN_AGREEMENT", 0.5)  # of twelve photos none lies far above the others
        teach(library, "Red", order[:3] if agrees else order[-3:])
        teach(library, "Rex", order[:3])
        phrase = engine._phrases.read("red circle with Rex")
        assert phrase.read == ("red circle with" if agrees else "circle with")
        assert phrase.others == "circle with"
        assert phrase.unread == (1 if agrees else 2)
