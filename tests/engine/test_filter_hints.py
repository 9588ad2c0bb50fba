"""What a search says when its filters leave nothing good, in a library of one photo a year."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import pipeline
from engine.query import parse, parse_filter
from engine.results import Hint, SearchResult
from engine.search import SearchEngine
from model.scoring.calibration import Calibration
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, SPREAD, recalibrate


@pytest.fixture(autouse=True)
def calibrated(dated: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    recalibrate(dated, monkeypatch)


def year_of(result: SearchResult, row: int) -> str:
    return Path(result.hits[row].path).stem


@pytest.fixture
def good(dated: SearchEngine) -> str:
    """The year of the best photo."""
    return year_of(dated.search(SENTENCE), 0)


@pytest.fixture
def poor(dated: SearchEngine) -> str:
    """The year of the worst photo."""
    return year_of(dated.search(SENTENCE), -1)


def camera_of(year: str) -> str:
    return "Canon" if int(year) < 2010 + PHOTO_COUNT // 2 else "Pixel"


def test_a_search_that_finds_something_good_has_no_hints(dated: SearchEngine, good: str) -> None:
    assert dated.search(SENTENCE).hints == []
    assert dated.search(f"{SENTENCE} taken:{good}").hints == []
    assert dated.search("type:jpg").hints == []


@pytest.mark.parametrize(
    "written", ["taken:{}", "taken:{}-06", "after:{0} before:{0}-12", "folder:/ taken:{}", "type:jpg taken:{}"]
)
def test_a_date_without_anything_good_is_offered_to_be_left_out(dated: SearchEngine, poor: str, written: str) -> None:
    filters = written.format(poor)
    result = dated.search(f"{SENTENCE} {filters}")
    assert (result.line, len(result.hits), result.reranked) == (0, 1, 1)
    assert result.absence == "Nothing like that passes the filters. The nearest photos that do:"
    for hint in result.hints:
        assert hint.kind == "filters"
        assert hint.query is not None
        assert dated.search(hint.query).line > 0
    kept = [part for part in filters.split() if part in ("folder:/", "type:jpg")]
    if "taken" in written:
        assert [hint.query for hint in result.hints] == [" ".join([SENTENCE, *kept])]


def test_the_hint_is_one_plain_sentence(dated: SearchEngine, poor: str) -> None:
    assert dated.search(f"{SENTENCE} taken:{poor}").hints == [
        Hint("filters", f"No photo that passes taken:{poor} is like that; without it, some are.", SENTENCE)
    ]
    assert dated.search(f"{SENTENCE} taken:1900").hints == [
        Hint("filters", "No photo passes taken:1900; without it, some are like that.", SENTENCE)
    ]
    assert dated.search(f"{SENTENCE} type:jpg camera:nikon").hints == [
        Hint(
            "filters", "No photo passes camera:nikon; without camera:nikon, some are like that.", f"{SENTENCE} type:jpg"
        )
    ]


def test_only_a_filter_that_helps_is_offered(dated: SearchEngine, good: str, poor: str) -> None:
    camera = camera_of(good)
    other = "Canon" if camera == "Pixel" else "Pixel"
    hints = dated.search(f"{SENTENCE} camera:{other} taken:{good}").hints
    assert f"{SENTENCE} taken:{good}" in [hint.query for hint in hints]
    assert hints[0].text.startswith(f"No photo passes camera:{other} and taken:{good} together; without ")
    for hint in hints:
        assert hint.query is not None
        assert dated.search(hint.query).line > 0
    both = dated.search(f"{SENTENCE} taken:{poor} camera:{camera_of(poor)} type:jpg").hints
    for hint in both:
        assert hint.query is not None
        assert f"taken:{poor}" not in hint.query
        assert "type:jpg" in hint.query
        assert dated.search(hint.query).line > 0


def test_two_dates_of_which_either_would_do_are_left_out_together(dated: SearchEngine, poor: str) -> None:
    (hint,) = dated.search(f"{SENTENCE} after:2100 after:2100").hints
    assert hint == Hint("filters", "No photo passes after:2100; without it, some are like that.", SENTENCE)
    (hint,) = dated.search(f"{SENTENCE} taken:{poor} taken:1900").hints
    assert hint.query == SENTENCE
    assert f"taken:{poor} or taken:1900" in hint.text


def test_nothing_is_offered_where_nothing_is_good_without_filters_either(
    dated: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(dated, monkeypatch, Calibration(match_bias=-20.0, cutoff=0.3))
    assert dated.search(f"{SENTENCE} taken:2015").hints == []
    assert dated.search(f"{SENTENCE} taken:1900").hints == [Hint("filters", "No photo passes taken:1900.")]
    assert dated.search(f"{SENTENCE} taken:1900 camera:nikon").hints == [
        Hint("filters", "No photo passes taken:1900 or camera:nikon.")
    ]


def test_filters_alone_that_no_photo_passes_are_named(dated: SearchEngine) -> None:
    assert dated.search("taken:1900").hints == [Hint("filters", "No photo passes taken:1900.")]
    assert dated.search("taken:1900 type:jpg").hints == [
        Hint("filters", "No photo passes taken:1900; without taken:1900, there are some.", "type:jpg")
    ]
    together = dated.search("taken:2010 taken:2011 camera:pixel").hints
    assert [hint.query for hint in together] == ["camera:pixel", "taken:2010 taken:2011"]
    assert "taken:2010 or taken:2011 and camera:pixel together" in together[0].text
    assert dated.search(f"{SENTENCE} taken:1900", rerank=False).hints == [
        Hint("filters", "No photo passes taken:1900; without it, there are some.", SENTENCE)
    ]


def test_excluded_terms_and_quotes_stay_in_the_query_that_is_offered(
    dated: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo alone is not compared with others: an excluded term lowers its score only among them."""
    words = f'{SENTENCE} -"a green dog" "taken:2021"'

    def score(query: str) -> float:
        return dated.search(query, exclude=["a cat"]).hits[0].score or 0.0

    years = {score(f"{words} taken:{year}"): year for year in range(2010, 2010 + PHOTO_COUNT)}
    middle = (score(words) + min(years)) / 2
    recalibrate(dated, monkeypatch, Calibration(match_scale=9.0, match_bias=-9.0 * middle, cutoff=0.5))
    (hint,) = dated.search(f"{words} taken:{years[min(years)]}", exclude=["a cat"]).hints
    assert hint.query == f'{words} -"a cat"'
    assert parse(hint.query).excluded == ("a green dog", "a cat")


def test_filters_beside_the_query_are_left_out_too(dated: SearchEngine, poor: str) -> None:
    (hint,) = dated.search(SENTENCE, filters=parse_filter("taken", poor)).hints
    assert hint.query == SENTENCE
    (hint,) = dated.search(f"{SENTENCE} type:jpg", filters=parse_filter("taken", poor)).hints
    assert hint.query == f"{SENTENCE} type:jpg"
    assert "the filters beside it" in hint.text
    (hint,) = dated.search(
        parse(SENTENCE).filtered("taken", poor).filtered("camera", "EOS 80D"), filters=parse_filter("type", "jpg")
    ).hints[:1]
    assert hint.query is None, "the filter beside it cannot be said in a query that keeps it"


def test_a_search_asks_the_model_a_second_time_only_where_filters_leave_nothing_good(
    dated: SearchEngine, monkeypatch: pytest.MonkeyPatch, good: str, poor: str
) -> None:
    reranked: list[int] = []
    rerank = pipeline.rerank

    def counting(*arguments: Any) -> Sequence[pipeline.Candidate]:
        ranked = rerank(*arguments)
        reranked.append(len(ranked))
        return ranked

    monkeypatch.setattr(pipeline, "rerank", counting)
    for query, expected in (
        (SENTENCE, [PHOTO_COUNT]),
        (f"{SENTENCE} taken:{good}", [1]),
        (f"{SENTENCE} taken:{poor}", [1, PHOTO_COUNT]),
        (f"{SENTENCE} taken:1900", [0, PHOTO_COUNT]),
        ("taken:1900", []),
    ):
        reranked.clear()
        dated.search(query)
        assert reranked == expected
    recalibrate(dated, monkeypatch, Calibration(match_bias=-20.0, cutoff=SPREAD.cutoff))
    reranked.clear()
    assert dated.search(f"{SENTENCE} type:jpg").hints == []
    assert reranked == [PHOTO_COUNT], "the filter holds no photo back"
    reranked.clear()
    assert dated.search(SENTENCE).absence == "Nothing like that here. The nearest photos:"
    assert reranked == [PHOTO_COUNT]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("camera:cannon", "camera:Canon"),
        ("camera:pixle", "camera:Pixel"),
        ("a dog camera:Cannon", "a dog camera:Canon"),
    ],
)
def test_a_value_that_no_photo_has_is_corrected_to_the_nearest_of_the_library(
    dated: SearchEngine, written: str, meant: str
) -> None:
    hints = dated.search(written).hints
    assert ("spelling", meant) in [(hint.kind, hint.query) for hint in hints]
    assert dated.search(meant).hits


def test_a_folder_that_is_not_there_is_corrected(dated: SearchEngine) -> None:
    folder = Path(dated.search(SENTENCE).hits[0].path).parent.name
    hints = dated.search(f"folder:{folder[:-2]}{folder[-1]}{folder[-2]}x").hints
    assert [hint.query for hint in hints if hint.kind == "spelling"] == [f"folder:{folder}"]


def test_a_value_like_no_other_has_no_correction(dated: SearchEngine) -> None:
    assert "spelling" not in [hint.kind for hint in dated.search("camera:zzz").hints]


def test_a_word_that_may_be_meant_as_a_filter_is_named_beside_good_photos(dated: SearchEngine, good: str) -> None:
    hint = next(hint for hint in dated.search(f"{SENTENCE} year:{good}").hints if hint.kind == "spelling")
    assert hint.text == f"There is no filter for year:{good}: it is a word of the sentence."
    assert hint.query == f"{SENTENCE} taken:{good}"


def test_of_several_cities_of_one_name_the_largest_is_taken_and_named(dated: SearchEngine) -> None:
    hint = next(hint for hint in dated.search("a dog near:springfield,9").hints if hint.kind == "place")
    assert hint.text.startswith("near:springfield,9 is Springfield, Missouri, United States, the largest of ")
    assert hint.query == 'a dog near:"Springfield, Massachusetts, United States,9"'
    (hint,) = (hint for hint in dated.search("near:springfield").hints if hint.kind == "place")
    assert hint.query == 'near:"Springfield, Massachusetts, United States"'
    assert [hint.kind for hint in dated.search("near:munich").hints] == ["filters"]


def test_a_tag_that_no_photo_has_is_corrected(dated: SearchEngine) -> None:
    photo_id = dated.search(SENTENCE).hits[0].photo_id
    dated._library.annotate(photo_id, caption=None, tags=["birthday", "Aunt Mary"])
    try:
        for written, meant in (("tag:birhtday", "tag:birthday"), ('tag:"ant mary"', 'tag:"Aunt Mary"')):
            hints = dated.search(written).hints
            assert [hint.query for hint in hints if hint.kind == "spelling"] == [meant]
    finally:
        dated._library.annotate(photo_id, caption=None, tags=[])
