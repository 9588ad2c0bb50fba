"""A search finds photos by what people wrote about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.annotation_match import word_bonus
from engine.pipeline import max_reranked
from engine.search import SearchEngine
from engine.validation import Sort
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.ranker import Ranker
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT


@pytest.fixture
def annotated(library: Path, weights: Path, photos: Path) -> Iterator[SearchEngine]:
    with LibraryView.open(library, generation=generation(weights)) as opened:
        for row, caption in ((3, "Mildred"), (5, "Mildred and Albert in Lisbon"), (7, "Lisbon")):
            opened.annotate(opened.photo_at(photos / f"scene {row:02}.jpg").id, caption=caption, tags=[])
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        yield engine


def names(engine: SearchEngine, query: str, shortlist: int = 64) -> list[str]:
    return [Path(hit.path).name for hit in engine.search(query, shortlist=shortlist).hits]


@pytest.mark.parametrize("shortlist", [1, 2, 64])
def test_a_photo_with_all_the_words_comes_first_however_far_it_is(annotated: SearchEngine, shortlist: int) -> None:
    assert names(annotated, "Albert and Mildred", shortlist=shortlist)[0] == "scene 05.jpg"
    assert names(annotated, "Mildred in Lisbon", shortlist=shortlist)[0] == "scene 05.jpg"


@pytest.mark.parametrize("rerank", [True, False])
@pytest.mark.parametrize("query", ["Mildred in Lisbon", "Mildred -Lisbon", "Lisbon type:jpg", "type:jpg"])
@pytest.mark.parametrize("sort", ["match", "date"])
def test_what_is_added_to_the_shortlist_is_counted_as_reranked_whatever_the_limit(
    annotated: SearchEngine, query: str, rerank: bool, sort: Sort
) -> None:
    if sort == "date" and not rerank:
        return
    whole = annotated.search(query, limit=100, shortlist=4, rerank=rerank, sort=sort)
    assert len(whole.hits) == PHOTO_COUNT
    assert whole.reranked == sum(hit.match is not None for hit in whole.hits)
    assert whole.to_json()["reranked"] == whole.reranked
    assert [hit.match is not None for hit in whole.hits] == [place < whole.reranked for place in range(PHOTO_COUNT)]
    assert whole.reranked <= max_reranked(4)
    for limit in range(1, PHOTO_COUNT + 1):
        result = annotated.search(query, limit=limit, shortlist=4, rerank=rerank, sort=sort)
        assert (result.hits, result.reranked) == (whole.hits[:limit], whole.reranked)


def test_every_photo_is_a_hit_once_and_the_order_does_not_depend_on_the_limit(annotated: SearchEngine) -> None:
    for shortlist in (1, 4, 64):
        everything = annotated.search("Mildred", limit=100, shortlist=shortlist).hits
        assert len({hit.photo_id for hit in everything}) == len(everything) == PHOTO_COUNT
        for limit in range(1, PHOTO_COUNT):
            assert annotated.search("Mildred", limit=limit, shortlist=shortlist).hits == everything[:limit]


def test_hits_go_by_score_and_match_alike(annotated: SearchEngine) -> None:
    hits = annotated.search("a red circle and Mildred").hits
    for values in ([hit.score or 0 for hit in hits], [hit.match or 0 for hit in hits]):
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("near", [1, 2, 4])
def test_captions_of_the_nearest_photos_take_no_place_of_one_that_is_far(
    library: Path, weights: Path, near: int
) -> None:
    query = "a red circle in Lisbon"
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        nearest = [hit.photo_id for hit in engine.search(query, limit=100, rerank=False).hits]
        far = nearest[-1]
        with LibraryView.open(library, generation=engine.generation) as opened:
            for photo_id in (*nearest[:near], far):
                opened.annotate(photo_id, caption=query, tags=[])
        result = engine.search(query, limit=100, shortlist=4)
    reranked = [hit.photo_id for hit in result.hits[: result.reranked]]
    assert set(reranked) == {*nearest[:4], far}
    assert reranked.index(far) <= near, "its words say as much as those of the others"


def test_filters_hold_for_them_too(annotated: SearchEngine) -> None:
    (hit,) = annotated.search("Mildred folder:deeper").hits
    assert Path(hit.path).parent.name == "deeper"


def test_an_excluded_term_in_an_annotation_takes_off_as_much(annotated: SearchEngine) -> None:
    assert names(annotated, "Mildred")[:2] in (["scene 03.jpg", "scene 05.jpg"], ["scene 05.jpg", "scene 03.jpg"])
    hits = names(annotated, "Mildred -Lisbon")
    assert hits[0] == "scene 03.jpg"
    assert hits[-1] == "scene 07.jpg"


def test_all_words_lift_a_photo_above_what_the_model_sees_and_half_of_them_hint(weights: Path) -> None:
    runtime, calibration = TrainedModel(weights, device="cpu").runtime, Calibration(match_scale=0.5)
    ranker = Ranker(runtime, ScoringParameters(calibration))
    none, half, whole = word_bonus({2: 1.5, 3: 6.0}, [1, 2, 3], ranker).tolist()
    assert none == 0
    assert half == pytest.approx(whole / 4)
    assert whole * calibration.match_scale == pytest.approx(6.0)
    flat = Ranker(runtime, ScoringParameters(Calibration(match_scale=0.0)))
    assert np.isfinite(word_bonus({1: 6.0}, [1], flat)).all()
