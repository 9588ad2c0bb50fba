"""Filters and excluded terms, in a search of real photos with real EXIF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import QueryError
from engine.exclusion import exclusion_penalties, search_direction
from engine.grouping import best_count
from engine.query import parse_filter
from engine.search import SearchEngine
from engine.sentences import MAX_CHARACTERS
from engine.validation import MAX_EXCLUDED, Sort
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, SPREAD, recalibrate

SORTS: tuple[Sort, ...] = ("match", "date")


def years(engine: SearchEngine, query: str, **options: Any) -> list[str]:
    return [Path(hit.path).stem for hit in engine.search(query, **options).hits]


def test_a_filter_leaves_the_others_in_the_order_they_had_however_short_the_list(dated: SearchEngine) -> None:
    everything = years(dated, SENTENCE)
    expected = [year for year in everything if int(year) >= 2018]
    assert len(expected) == 4
    assert years(dated, f"{SENTENCE} after:2018") == expected
    for limit, shortlist in ((4, 4), (2, 2), (4, 1)):  # a filter after the search would lose some
        filtered = years(dated, f"{SENTENCE} after:2018", limit=limit, shortlist=shortlist)
        assert len(filtered) == limit
        assert set(filtered) <= set(expected)


def test_an_excluded_term_with_a_filter_that_no_photo_passes_finds_nothing(dated: SearchEngine) -> None:
    assert years(dated, f"{SENTENCE} -dog taken:1999") == []


def test_filters_alone_list_the_photos_by_date_the_newest_first(dated: SearchEngine) -> None:
    assert years(dated, "after:2013 camera:canon") == ["2015", "2014", "2013"]
    assert years(dated, "", filters=parse_filter("before", "2013")) == ["2012", "2011", "2010"]
    assert years(dated, "type:jpg", limit=2) == ["2021", "2020"]
    assert years(dated, "taken:1999") == []
    result = dated.search("taken:2011")
    assert [(hit.similarity, hit.match, hit.score) for hit in result.hits] == [(None, None, None)]
    assert years(dated, "taken:2011", rerank=False) == ["2011"]


def test_filters_of_the_sentence_and_beside_it_are_combined(dated: SearchEngine) -> None:
    combined = years(dated, f"{SENTENCE} camera:canon", filters=parse_filter("after", "2014"))
    assert sorted(combined) == ["2014", "2015"]
    assert years(dated, f"{SENTENCE} camera:nikon") == []
    assert years(dated, f"{SENTENCE} camera:nikon", rerank=False) == []


def test_the_words_of_filters_are_not_searched_for(dated: SearchEngine) -> None:
    plain, filtered = dated.search(SENTENCE).hits, dated.search(f"taken:2013 {SENTENCE}").hits
    (same,) = [hit for hit in plain if hit.photo_id == filtered[0].photo_id]
    assert filtered[0].similarity == pytest.approx(same.similarity, abs=1e-5)


def test_excluded_terms_lower_the_score_of_photos_that_show_them(dated: SearchEngine) -> None:
    unwanted = {hit.photo_id: hit.score or 0.0 for hit in dated.search("a blue square").hits}
    before = {hit.photo_id: hit.score or 0.0 for hit in dated.search(SENTENCE).hits}
    hits = dated.search(f'{SENTENCE} -"a blue square"').hits
    lost = np.array([before[hit.photo_id] - (hit.score or 0.0) for hit in hits])
    beyond = np.array([unwanted[hit.photo_id] for hit in hits]) - np.median(list(unwanted.values()))
    np.testing.assert_allclose(lost, np.maximum(beyond, 0), atol=0.02)
    assert (lost > 0.1).any()
    assert [hit.score for hit in hits] == sorted((hit.score or 0.0 for hit in hits), reverse=True)


def test_excluded_terms_leave_the_similarity_that_of_the_sentence(dated: SearchEngine) -> None:
    plain = {hit.photo_id: hit.similarity for hit in dated.search(SENTENCE).hits}
    hits = dated.search(f"{SENTENCE} -circle", rerank=False).hits
    assert [hit.photo_id for hit in hits] != list(plain)
    for hit in hits:
        assert hit.similarity == pytest.approx(plain[hit.photo_id], abs=2e-3)


def test_excluded_terms_may_stand_beside_the_sentence(dated: SearchEngine) -> None:
    assert dated.search(SENTENCE, exclude=["circle"]).hits == dated.search(f"{SENTENCE} -circle").hits


@pytest.mark.parametrize("shortlist", [1, 4, 64])
def test_the_order_does_not_depend_on_the_limit(dated: SearchEngine, shortlist: int) -> None:
    query = f"{SENTENCE} -circle after:2012"
    everything = dated.search(query, limit=100, shortlist=shortlist).hits
    assert len(everything) == 10
    for limit in range(1, 10):
        assert dated.search(query, limit=limit, shortlist=shortlist).hits == everything[:limit]


@pytest.mark.parametrize(
    ("query", "exclude"),
    [
        ("-crowd after:2012", []),
        ("-circle", []),
        (SENTENCE, [" "]),
        (SENTENCE, ["x" * (MAX_CHARACTERS + 1)]),
        (SENTENCE + " -a" * (MAX_EXCLUDED + 1), []),
        (f"{SENTENCE} after:soon", []),
    ],
)
def test_what_cannot_be_searched_for_is_refused(dated: SearchEngine, query: str, exclude: list[str]) -> None:
    with pytest.raises(QueryError):
        dated.search(query, exclude=exclude)


def test_a_photo_like_the_excluded_term_is_farther_from_the_query() -> None:
    wanted, unwanted = np.eye(2, 4, dtype=np.float32)
    towards = search_direction(wanted, unwanted[None])
    assert towards @ wanted > towards @ (wanted + unwanted) / np.sqrt(2)
    np.testing.assert_allclose(search_direction(wanted, np.stack([unwanted, unwanted])), towards)
    np.testing.assert_array_equal(search_direction(wanted, np.empty((0, 4), dtype=np.float32)), wanted)


def test_only_photos_that_fit_the_excluded_term_more_than_the_median_are_penalised() -> None:
    scores = np.array([[1.0, 2.0, 5.0], [0.0, -4.0, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(exclusion_penalties(scores), [0.0, 0.0, 3.0])
    np.testing.assert_allclose(exclusion_penalties(scores[:, :1]), [0.0])


def test_the_best_photos_come_newest_first_and_the_others_as_ever(
    dated: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    recalibrate(dated, monkeypatch)
    result = dated.search(SENTENCE)
    by_match = [Path(hit.path).stem for hit in result.hits]
    assert 1 < result.line < PHOTO_COUNT
    expected = sorted(by_match[: result.line], reverse=True) + by_match[result.line :]
    assert expected != by_match
    assert years(dated, SENTENCE, sort="date") == expected
    assert years(dated, SENTENCE, sort="date", limit=3) == expected[:3]
    with pytest.raises(QueryError, match="sorted by date"):
        dated.search(SENTENCE, sort="date", rerank=False)


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_line_is_that_of_all_reranked_photos_whatever_the_limit_and_the_order(
    dated: SearchEngine, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    recalibrate(dated, monkeypatch)
    matches = [hit.match for hit in dated.search(SENTENCE).hits if hit.match is not None]
    line = best_count(matches, SPREAD.cutoff)
    assert {dated.search(SENTENCE, limit=limit, sort=sort).line for sort in SORTS} == {line}
    assert dated.search(SENTENCE, rerank=False).line == 0
    assert dated.search("type:jpg").line == 0
    assert dated.search(f"{SENTENCE} taken:1999").line == 0


def test_facets_are_of_the_photos_that_pass_the_filters(dated: SearchEngine) -> None:
    assert dated.facets("taken:2012").cameras == {"Canon EOS 80D": 1}
    assert len(dated.facets("taken:2012").months) == PHOTO_COUNT, "a filter does not count for itself"
    assert dated.facets().cameras == {"Canon EOS 80D": PHOTO_COUNT // 2, "Pixel 7": PHOTO_COUNT // 2}
    with pytest.raises(QueryError, match="taken"):
        dated.facets("taken:never")


def test_facets_of_a_sentence_are_of_the_photos_that_resemble_it(dated: SearchEngine) -> None:
    nearest = [Path(hit.path).stem for hit in dated.search(SENTENCE, rerank=False).hits]
    counted = {month[:4] for month in dated.facets(SENTENCE).months}
    assert 0 < len(counted) < PHOTO_COUNT
    assert counted == set(nearest[: len(counted)]), "the first ones, down to half of the way to the typical photo"
    assert sum(dated.facets(SENTENCE).cameras.values()) == len(counted)
    year = nearest[0]
    assert {month[:4] for month in dated.facets(f"{SENTENCE} taken:{year}").months} == counted
    assert sum(dated.facets(f"{SENTENCE} taken:{year}").cameras.values()) == 1
    assert sum(dated.facets(f"{SENTENCE} taken:{nearest[-1]}").cameras.values()) == 0


def test_a_photo_whose_caption_holds_all_words_is_counted(dated: SearchEngine) -> None:
    last = dated.search(SENTENCE, rerank=False).hits[-1]
    before = set(dated.facets(SENTENCE).months)
    dated._library.annotate(last.photo_id, caption=SENTENCE, tags=[])
    try:
        assert set(dated.facets(SENTENCE).months) - before == {f"{Path(last.path).stem}-06"}
    finally:
        dated._library.annotate(last.photo_id, caption=None, tags=[])
