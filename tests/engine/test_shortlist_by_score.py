"""With fitted word detectors the shortlist ranks by the whole score but the joint pass, and so does all beyond it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.exclusion import search_direction
from engine.pipeline import vectors_of
from engine.search import SearchEngine
from indexer.library.library import Library
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.runtime.protocol import EncodedImages
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.ranker import Ranker
from model.scoring.word_detectors import WordDetectors
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index, similarities_of


@pytest.fixture(scope="module")
def fitted(weights: Path, indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny weights with a querybank and detectors of a few words of the sentence, whose log-odds count a lot."""
    folder = shutil.copytree(weights, tmp_path_factory.mktemp("fitted") / "weights")
    model, random = TrainedModel(folder, device="cpu"), np.random.default_rng(0)
    with LibraryView.open(indexed, generation=model.generation) as library:
        ids = library.photo_ids().tolist()
        pooled = np.stack(list(library.pooled_features(ids).values()))
    words = np.unique(model.processor.tokenize([SENTENCE])["input_ids"][0][1:-1])

    def normal(*shape: int) -> NDArray[np.float32]:
        return random.normal(size=shape).astype(np.float32)

    detectors = WordDetectors(words, normal(len(words), pooled.shape[1]), normal(len(words)), normal(len(words)) - 2)
    ScoringParameters(
        Calibration(similarity_scale=2.0, log_odds_scale=0.7),
        Querybank(normal(7, 16) / np.float32(4)),
        detectors,
        Projection.learn(detectors, pooled),
    ).save(folder, generation(folder))
    return folder


@pytest.fixture(scope="module")
def library(fitted: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library-of-fitted")
    index(folder, photos, fitted)
    return folder


@pytest.fixture(scope="module")
def engine(library: Path, fitted: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(library, weights=fitted, device="cpu") as opened:
        yield opened


def by_score(library: Path, weights: Path, sentence: str) -> list[int]:
    """All photos in order of their score without a joint pass, computed pair by pair from what is stored."""
    model = TrainedModel(weights, device="cpu")
    ranker = Ranker(model.runtime, model.scoring_parameters, joint=False)
    with LibraryView.open(library, generation=model.generation) as opened:
        ids = opened.photo_ids().tolist()
        photos = EncodedImages(
            np.stack(list(opened.embeddings(ids).values())),
            list(opened.pixel_features(ids).values()),
            np.stack(list(opened.pooled_features(ids).values())),
        )
    scores = ranker.score(model.runtime.encode_text([sentence]), photos).scores
    return [ids[row] for row in np.argsort(-scores, kind="stable")]


def test_without_a_rerank_hits_go_by_the_score_and_show_their_similarity(
    engine: SearchEngine, library: Path, fitted: Path
) -> None:
    hits = engine.search(SENTENCE, rerank=False, limit=100).hits
    assert [hit.photo_id for hit in hits] == by_score(library, fitted, SENTENCE)
    similarities = similarities_of(hits)
    assert similarities != sorted(similarities, reverse=True), "otherwise nothing is tested"
    embedding = TrainedModel(fitted, device="cpu").runtime.encode_text([SENTENCE]).embeddings[0]
    with LibraryView.open(library, generation=generation(fitted)) as opened:
        embeddings = np.stack(list(opened.embeddings([hit.photo_id for hit in hits]).values()))
    np.testing.assert_allclose(similarities, embeddings @ embedding, atol=1e-5)


def test_the_best_of_that_order_are_reranked_and_the_others_follow_in_it(
    engine: SearchEngine, library: Path, fitted: Path
) -> None:
    order = by_score(library, fitted, SENTENCE)
    result = engine.search(SENTENCE, shortlist=4, limit=100)
    assert result.reranked == 4
    assert {hit.photo_id for hit in result.hits[:4]} == set(order[:4])
    assert [hit.photo_id for hit in result.hits[4:]] == order[4:]
    assert [hit.photo_id for hit in engine.shortlist(SENTENCE, size=4).hits] == order[:4]


def test_of_photos_like_a_photo_the_nearest_come_first(engine: SearchEngine, library: Path, fitted: Path) -> None:
    itself = engine.search(SENTENCE, limit=1).hits[0].photo_id
    hits = engine.similar(itself, limit=100)
    assert len(hits) == PHOTO_COUNT - 1
    with LibraryView.open(library, generation=generation(fitted)) as opened:
        embeddings = np.stack(list(opened.embeddings([hit.photo_id for hit in hits]).values()))
        cosines = embeddings @ opened.embeddings([itself])[itself]
    np.testing.assert_allclose(similarities_of(hits), cosines, atol=1e-5)
    np.testing.assert_allclose(cosines, np.sort(cosines)[::-1], atol=1e-3)


def test_photo_and_words_together_rank_every_photo_by_the_words(engine: SearchEngine) -> None:
    itself = engine.search(SENTENCE, limit=1).hits[0].photo_id
    hits = engine.similar(itself, SENTENCE, limit=100)
    scores = [hit.score for hit in hits if hit.score is not None]
    assert len(scores) == PHOTO_COUNT - 1
    assert scores == sorted(scores, reverse=True)


def test_excluded_words_change_the_order_and_the_nearest_follow(engine: SearchEngine) -> None:
    plain = engine.search("a red circle", rerank=False, limit=100).hits
    without = engine.search("a red circle -square", rerank=False, limit=100).hits
    assert {hit.photo_id for hit in plain} == {hit.photo_id for hit in without}
    assert [hit.photo_id for hit in plain] != [hit.photo_id for hit in without]
    similarity_of = {hit.photo_id: hit.similarity for hit in plain}
    to_the_wanted_words = [similarity_of[hit.photo_id] for hit in without]
    np.testing.assert_allclose(similarities_of(without), np.array(to_the_wanted_words, dtype=float), atol=1e-5)


@pytest.mark.parametrize(
    "sentence", ["Rex", "Rex and a red circle", "a blue square with Rex, a red circle, and a square"]
)
def test_a_taught_word_counts_in_the_shortlist_as_in_the_score(
    library: Path, fitted: Path, tmp_path: Path, sentence: str
) -> None:
    copy = shutil.copytree(library, tmp_path / "library")
    with Library.open(copy) as opened:
        shown = opened.latest_ids(3)
        opened.answer(opened.teach_word("Rex").id, shown, shown=True)
    with SearchEngine.open(copy, weights=fitted, device="cpu") as engine:
        order = [hit.photo_id for hit in engine.search(sentence, rerank=False, limit=100).hits]
        encoded = engine.encode(sentence)
    (name,) = encoded.phrases[0].taught
    model = TrainedModel(fitted, device="cpu")
    ranker = Ranker(model.runtime, model.scoring_parameters, joint=False)
    with LibraryView.open(copy, generation=model.generation, photo_vectors=model.photo_vectors) as view:
        photos = EncodedImages(
            np.stack(list(view.embeddings(order).values())),
            list(view.pixel_features(order).values()),
            np.stack(list(view.pooled_features(order).values())),
        )
        log_odds = name.detector.log_odds(vectors_of(view, order))
    rest = sentence.replace("Rex", "").strip()
    scores = ranker.taught_scores(log_odds)
    if rest:
        scores = scores + ranker.score(model.runtime.encode_text([rest]), photos).scores
    assert len(set(np.round(log_odds, 2))) > PHOTO_COUNT // 2, "otherwise nothing is tested"
    assert (np.diff(scores) < 2e-2).all()
    assert scores[0] > scores[-1] + 1


def test_a_calibration_that_was_made_anew_holds_for_the_next_search_of_an_old_library(
    library: Path, fitted: Path, tmp_path: Path
) -> None:
    copy, weights = shutil.copytree(library, tmp_path / "library"), shutil.copytree(fitted, tmp_path / "weights")
    parameters = ScoringParameters.load(fitted, generation(fitted))
    calibration = Calibration(similarity_scale=0.1, log_odds_scale=3.0)
    ScoringParameters(calibration, parameters.querybank, parameters.detectors, parameters.projection).save(
        weights, generation(weights)
    )
    expected = by_score(copy, weights, SENTENCE)
    assert expected != by_score(copy, fitted, SENTENCE), "otherwise nothing is tested"
    with SearchEngine.open(copy, weights=weights, device="cpu") as engine:
        assert [hit.photo_id for hit in engine.search(SENTENCE, rerank=False, limit=100).hits] == expected


def test_several_excluded_terms_weigh_as_much_as_one() -> None:
    wanted, excluded = np.array([1.0, 0.0, 1.0], np.float32), np.array([[0.0, 1.0, 1.0]], np.float32)
    alone = search_direction(wanted, excluded)
    assert alone.tolist() == [1.0, -0.5, 0.5]
    assert search_direction(wanted, np.repeat(excluded, 3, axis=0)).tolist() == alone.tolist()
    assert search_direction(wanted, excluded[:0]).tolist() == wanted.tolist()
