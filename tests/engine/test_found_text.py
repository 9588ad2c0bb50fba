"""A search finds photos by the text in them, and trusts it less than what people wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.annotation_match import has_all_words, word_logits
from engine.errors import QueryError
from engine.query import parse
from engine.search import SearchEngine
from indexer.library.filters import Filters
from indexer.library.found_text import FoundText, store_found_text
from indexer.library.view import LibraryView
from model.weights import generation

BOX = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


@pytest.fixture
def engine(library: Path, weights: Path, photos: Path) -> Iterator[SearchEngine]:
    """Over photos of which some have text in them, as if it had been read, and one a caption."""
    lines = {3: ["EXIT"], 5: ["No parking", "day and night"], 7: ["Way out"], 9: ["no", "parking here"]}
    with LibraryView.open(library, generation=generation(weights)) as opened:
        ids = {row: opened.photo_at(photos / f"scene {row:02}.jpg").id for row in (*lines, 8)}
        opened.annotate(ids[8], caption="the exit", tags=[])
        with opened.catalog.begin() as connection:
            texts = {ids[row]: [FoundText(text, 0.9, BOX) for text in found] for row, found in lines.items()}
            store_found_text(connection, texts, {})
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        yield engine


def names(engine: SearchEngine, query: str, shortlist: int = 64) -> list[str]:
    return [Path(hit.path).name for hit in engine.search(query, shortlist=shortlist).hits]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("text:exit", {3}),
        ("text:EXIT", {3}),
        ('text:"no parking"', {5}),
        ("text:parking", {5, 9}),
        ("text:out", {7}),
        ("text:in", set()),
        ("text:exit text:out", {3, 7}),
        ("a red circle text:parking", {5, 9}),
        ("text:", None),
        ('text:""', None),
        ("text:!!!", None),
        ("-text:exit", None),
    ],
)
def test_the_filter_finds_words_that_follow_each_other_in_a_line(
    engine: SearchEngine, query: str, rows: set[int] | None
) -> None:
    if rows is None:
        with pytest.raises(QueryError):
            engine.search(query)
    else:
        assert set(names(engine, query)) == {f"scene {row:02}.jpg" for row in rows}


def test_the_filter_is_parsed_in_any_script() -> None:
    assert parse("a sign text:“non stop”").filters == Filters(text=("non stop",))
    assert parse("text:出口").filters == Filters(text=("出口",))
    assert parse('"text:exit"').words == "text:exit"


@pytest.mark.parametrize("shortlist", [1, 64])
def test_a_photo_that_says_the_words_is_a_candidate_and_one_that_people_described_so_comes_before_it(
    engine: SearchEngine, shortlist: int
) -> None:
    assert names(engine, "exit", shortlist=shortlist)[0] == "scene 08.jpg", "the caption"
    reranked = {Path(hit.path).name for hit in engine.search("parking", shortlist=4).hits if hit.match is not None}
    assert reranked & {"scene 05.jpg", "scene 09.jpg"}


def test_words_in_a_photo_say_less_than_words_about_it(engine: SearchEngine) -> None:
    library = engine._library
    by_name = {Path(photo.path).name: photo.id for photo in library.photos(library.photo_ids().tolist())}
    logits = word_logits(library, "exit")
    assert logits.keys() == {by_name["scene 03.jpg"], by_name["scene 08.jpg"]}
    assert 0 < logits[by_name["scene 03.jpg"]] < logits[by_name["scene 08.jpg"]]
    half = word_logits(library, "parking dog")
    assert half[by_name["scene 05.jpg"]] == pytest.approx(logits[by_name["scene 03.jpg"]] / 4)
    assert has_all_words(library, "parking at night")
    assert not has_all_words(library, "parking dog")
    assert not has_all_words(library, "the")


@pytest.mark.parametrize("caption", ["no", "no parking", "night and parking", "nothing of it"])
def test_a_caption_with_some_of_the_words_does_not_hide_that_all_can_be_read_in_the_photo(
    library: Path, engine: SearchEngine, photos: Path, caption: str
) -> None:
    with LibraryView.open(library, generation=engine.generation) as opened:
        opened.annotate(opened.photo_at(photos / "scene 05.jpg").id, caption=caption, tags=[])
        assert has_all_words(opened, "no parking at night")
