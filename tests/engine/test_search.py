from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EngineError, EngineReplaced, QueryError
from engine.search import SearchEngine
from engine.sentences import MAX_CHARACTERS
from engine.validation import Sort
from indexer import batches
from indexer.indexing import IndexProgress, index_folders
from indexer.library.errors import LibraryMissing, PhotoMissing
from indexer.library.settings import MAX_SHORTLIST
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.image_processor import PixelBertImageProcessor
from model.runtime.loading import load_runtime
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.ranker import Ranker
from model.scoring.sentence_length import completeness
from model.scoring.word_detectors import WordDetectors
from model.weights import WeightsError, generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index, similarities_of


@pytest.fixture(scope="module")
def engine(indexed: Path, weights: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as opened:
        yield opened


def test_a_sentence_finds_photos_with_path_match_and_score(engine: SearchEngine, photos: Path) -> None:
    result = engine.search(SENTENCE, limit=5)
    assert result.query == SENTENCE
    assert len(result.hits) == 5
    for hit in result.hits:
        assert Path(hit.path).is_relative_to(photos)
        assert Path(hit.path).exists()
        assert hit.match is not None
        assert 0 <= hit.match <= 1
        assert -1.001 <= similarities_of([hit])[0] <= 1.001
        assert (hit.width, hit.height) == (128, 128)


def test_the_similarity_and_the_score_are_those_of_the_model(indexed: Path, weights: Path) -> None:
    model = TrainedModel(weights, device="cpu")
    runtime = model.runtime
    model.ranker = Ranker(runtime, ScoringParameters(Calibration(2.0, match_scale=0.5, match_bias=-1.0)))
    with LibraryView.open(indexed, generation=model.generation) as library:
        hits = SearchEngine(library, model).search(SENTENCE).hits
        ids = [hit.photo_id for hit in hits]
        text = runtime.encode_text([SENTENCE])
        similarities = np.stack(list(library.embeddings(ids).values())) @ text.embeddings[0]
        logits = runtime.itm_logits(text, list(library.pixel_features(ids).values()))
        scores = completeness(text.lengths()) * (logits + 2.0 * similarities)
    np.testing.assert_allclose(similarities_of(hits), similarities, atol=2e-3)
    np.testing.assert_allclose([hit.score or 0 for hit in hits], scores, atol=1e-2)
    np.testing.assert_allclose([hit.match or 0 for hit in hits], 1 / (1 + np.exp(1.0 - 0.5 * scores)), atol=1e-2)


def test_word_detectors_count_as_the_calibration_says(indexed: Path, weights: Path) -> None:
    model = TrainedModel(weights, device="cpu")
    text, random = model.runtime.encode_text([SENTENCE]), np.random.default_rng(0)
    width = model.runtime.encode_image([np.zeros((128, 128, 3), dtype=np.uint8)]).pooled_features.shape[1]
    words = np.unique(text.word_ids[0])
    detectors = WordDetectors(
        words, random.normal(0, 1, (len(words), width)).astype(np.float32), *np.zeros((2, len(words)), np.float32)
    )
    model.ranker = Ranker(model.runtime, ScoringParameters(Calibration(log_odds_scale=0.5), detectors=detectors))
    with LibraryView.open(indexed, generation=model.generation) as library:
        hits = SearchEngine(library, model).search(SENTENCE).hits
        ids = [hit.photo_id for hit in hits]
        logits = model.runtime.itm_logits(text, list(library.pixel_features(ids).values()))
        pooled = np.stack(list(library.pooled_features(ids).values()))
        log_odds = detectors.detect(pooled).sentence_log_odds(text, np.arange(len(ids)))
    assert np.ptp(log_odds) > 0.1
    whole = completeness(text.lengths()) * logits
    np.testing.assert_allclose([hit.score or 0 for hit in hits], whole + 0.5 * log_odds, atol=1e-2)


def test_reranked_hits_go_by_score(engine: SearchEngine) -> None:
    scores = [hit.score or 0 for hit in engine.search(SENTENCE).hits]
    assert len(scores) == PHOTO_COUNT
    assert scores == sorted(scores, reverse=True)


def test_without_rerank_hits_go_by_similarity_and_have_no_match(engine: SearchEngine) -> None:
    hits = engine.search(SENTENCE, rerank=False).hits
    assert similarities_of(hits) == sorted(similarities_of(hits), reverse=True)
    assert {(hit.match, hit.score) for hit in hits} == {(None, None)}


def test_past_the_shortlist_photos_follow_by_similarity_without_a_match(engine: SearchEngine) -> None:
    by_similarity = [hit.photo_id for hit in engine.search(SENTENCE, rerank=False).hits]
    hits = engine.search(SENTENCE, shortlist=4).hits
    assert {hit.photo_id for hit in hits[:4]} == set(by_similarity[:4])
    assert all(hit.match is not None for hit in hits[:4])
    assert [hit.photo_id for hit in hits[4:]] == by_similarity[4:]
    assert {(hit.match, hit.score) for hit in hits[4:]} == {(None, None)}


@pytest.mark.parametrize("query", [SENTENCE, f"{SENTENCE} -dog", f"{SENTENCE} type:jpg", "type:jpg"])
@pytest.mark.parametrize("size", [1, 4, 64])
@pytest.mark.parametrize("sort", ["match", "date"])
def test_a_search_is_the_rerank_of_its_shortlist(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, query: str, size: int, sort: Sort
) -> None:
    expected = engine.search(query, shortlist=size, sort=sort)
    shortlist = engine.shortlist(query, size=size)
    assert shortlist.hits == engine.search(query, rerank=False, limit=size).hits
    monkeypatch.setattr(engine._runtime, "encode_text", lambda _: pytest.fail("encoded twice"))
    for _ in range(2):
        result = engine.rerank(shortlist, sort=sort)
        assert (result.query, result.hits, result.reranked) == (expected.query, expected.hits, expected.reranked)
        assert result.timings_ms["text"] == shortlist.timings_ms["text"]
        assert result.timings_ms["total"] >= shortlist.timings_ms["total"]
    assert engine.rerank(shortlist, limit=3, sort=sort).hits == expected.hits[:3]


@pytest.mark.parametrize("query", [SENTENCE, f"{SENTENCE} -dog", f"{SENTENCE} type:jpg", "type:jpg"])
def test_a_query_is_encoded_once_and_its_nearest_photos_found_however_often(engine: SearchEngine, query: str) -> None:
    encoded = engine.encode(query).embeddings_only()
    for limit in (1, 5, 100):
        expected = engine.search(query, rerank=False, limit=limit)
        result = engine.nearest(encoded, limit=limit)
        assert (result.query, result.hits, result.reranked) == (expected.query, expected.hits, 0)


def test_what_other_weights_have_encoded_is_refused(
    engine: SearchEngine, tmp_path: Path, photos: Path, other_weights: Path
) -> None:
    index(tmp_path, photos, other_weights)
    with SearchEngine.open(tmp_path) as other:
        shortlist = other.shortlist(SENTENCE)
    assert other.generation != engine.generation
    with pytest.raises(EngineReplaced, match="search again"):
        engine.rerank(shortlist)
    with pytest.raises(EngineReplaced, match="search again"):
        engine.nearest(shortlist.encoded)


@pytest.mark.parametrize("query", ["", "-dog", "type:jpg -dog"])
def test_a_shortlist_of_nothing_is_refused(engine: SearchEngine, query: str) -> None:
    for ask in (engine.shortlist, engine.encode):
        with pytest.raises(QueryError, match="nothing to search for"):
            ask(query)
    with pytest.raises(QueryError, match="must be 1"):
        engine.shortlist(SENTENCE, size=MAX_SHORTLIST + 1)


def test_paths_may_be_text(indexed: Path, weights: Path, photos: Path) -> None:
    photo = photos / "scene 03.jpg"
    with SearchEngine.open(str(indexed), weights=str(weights)) as engine:
        assert engine.similar(str(photo)) == engine.similar(photo)
        assert engine.read_photo(str(photo)).identity == engine.read_photo(photo).identity


@pytest.mark.parametrize("shortlist", [1, 4, 64])
def test_the_order_does_not_depend_on_the_limit(engine: SearchEngine, shortlist: int) -> None:
    everything = engine.search(SENTENCE, limit=100, shortlist=shortlist).hits
    assert len(everything) == PHOTO_COUNT
    for limit in range(1, PHOTO_COUNT):
        assert engine.search(SENTENCE, limit=limit, shortlist=shortlist).hits == everything[:limit]


def test_equal_photos_go_by_id(tmp_path: Path, photos: Path, weights: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    content = (photos / "scene 01.jpg").read_bytes()
    for row in range(6):  # other bytes, the same pixels
        (copies / f"{row}.jpg").write_bytes(content + bytes([row]))
    index(tmp_path / "library", copies, weights)
    with SearchEngine.open(tmp_path / "library", weights=weights) as engine:
        for limit, shortlist, rerank in ((6, 64, True), (3, 64, True), (6, 64, False), (3, 2, True)):
            ids = [
                hit.photo_id for hit in engine.search(SENTENCE, limit=limit, shortlist=shortlist, rerank=rerank).hits
            ]
            assert ids == sorted(ids)


def test_every_stage_is_timed(engine: SearchEngine) -> None:
    timings = engine.search(SENTENCE, shortlist=4).timings_ms
    assert list(timings) == ["text", "shortlist", "features", "rerank", "total"]
    assert all(milliseconds > 0 for milliseconds in timings.values())
    assert sum(timings.values()) - timings["total"] <= timings["total"]
    assert engine.search(SENTENCE, rerank=False).timings_ms["rerank"] == 0


def test_white_space_around_a_sentence_means_nothing(engine: SearchEngine) -> None:
    assert engine.search(f"  {SENTENCE}\n").hits == engine.search(SENTENCE).hits


def test_a_sentence_longer_than_the_model_reads_is_cut(engine: SearchEngine) -> None:
    assert engine.search("red circle " * 50).hits == engine.search("red circle " * 60).hits


@pytest.mark.parametrize("query", ["", " \t\n", "x" * (MAX_CHARACTERS + 1), "a dog \udcff"])
def test_what_is_no_sentence_is_refused(engine: SearchEngine, query: str) -> None:
    with pytest.raises(QueryError):
        engine.search(query)


@pytest.mark.parametrize(("limit", "shortlist"), [(0, 64), (20, 0), (20, MAX_SHORTLIST + 1)])
def test_numbers_out_of_range_are_refused(engine: SearchEngine, limit: int, shortlist: int) -> None:
    with pytest.raises(QueryError, match=r"must be 1"):
        engine.search(SENTENCE, limit=limit, shortlist=shortlist)


def test_threads_may_share_an_engine(engine: SearchEngine) -> None:
    expected = engine.search(SENTENCE).hits
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(engine.search(SENTENCE).hits)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_a_photo_is_known_by_its_id(engine: SearchEngine) -> None:
    hit = engine.search(SENTENCE, limit=1).hits[0]
    assert engine.photo(hit.photo_id).path == hit.path
    with pytest.raises(PhotoMissing):
        engine.photo(hit.photo_id + 10**6)


def test_photos_indexed_while_the_engine_is_open_are_found(library: Path, weights: Path, photos: Path) -> None:
    with SearchEngine.open(library, weights=weights) as engine:
        more = library.with_name("more")
        more.mkdir()
        (more / "new.jpg").write_bytes((photos / "scene 03.jpg").read_bytes() + b"other bytes")
        index(library, more, weights)
        assert str(more / "new.jpg") in [hit.path for hit in engine.search(SENTENCE).hits]


def test_one_model_answers_while_another_encodes_and_neither_answers_for_the_other(
    library: Path, weights: Path, other_weights: Path
) -> None:
    with (
        SearchEngine.open(library, weights=weights) as engine,
        LibraryView.open(library, generation=generation(other_weights)) as other,
    ):
        expected = engine.search(SENTENCE).hits
        meanwhile: list[object] = []
        report = index_folders(
            other,
            [],
            processor=PixelBertImageProcessor.from_pretrained(other_weights),
            load_runtime=lambda: load_runtime(other_weights),
            weights=str(other_weights),
            progress=lambda _: meanwhile.append(engine.search(SENTENCE).hits),
            workers=1,
        )
        assert report.encoded == PHOTO_COUNT
        assert meanwhile
        assert all(hits == expected for hits in meanwhile)
        assert not engine.is_current()
        with pytest.raises(EngineError, match="encoded by other weights meanwhile"):
            engine.search(SENTENCE)
    with pytest.raises(EngineError, match=rf"other weights than {weights}, which have encoded 0 so far"):
        SearchEngine.open(library, weights=weights)
    with SearchEngine.open(library) as engine:  # the library knows by which weights it is searched
        assert {hit.photo_id for hit in engine.search(SENTENCE).hits} == {hit.photo_id for hit in expected}


def test_a_missing_library_is_named(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(LibraryMissing, match="nowhere"):
        SearchEngine.open(tmp_path / "nowhere", weights=weights)


def test_missing_weights_are_named(indexed: Path) -> None:
    with pytest.raises(WeightsError, match="no-such-model"):
        SearchEngine.open(indexed, weights="no-such-model")


def test_an_empty_library_says_to_index_first(tmp_path: Path, weights: Path) -> None:
    LibraryView.open(tmp_path, generation=generation(weights), create=True).close()
    with pytest.raises(EngineError, match="index a folder first: pixelseek index FOLDER"):
        SearchEngine.open(tmp_path, weights=weights)


def test_weights_that_do_not_fit_the_library_say_how_to_index_again(indexed: Path, other_weights: Path) -> None:
    remedy = rf"the 12 photos .* other weights .* 0 so far.*: pixelseek index --weights {other_weights}"
    with pytest.raises(EngineError, match=remedy):
        SearchEngine.open(indexed, weights=other_weights)


def test_a_library_that_other_weights_have_half_encoded_is_not_searched_with_them(
    library: Path, weights: Path, other_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(progress: IndexProgress) -> None:
        if progress.done == PHOTO_COUNT:
            raise InterruptedError

    model = TrainedModel(other_weights, device="cpu")
    monkeypatch.setattr(batches, "ENCODED_AT_ONCE", 4)
    with LibraryView.open(library, generation=model.generation) as other, pytest.raises(InterruptedError):
        index_folders(
            other,
            [],
            processor=model.processor.image_processor,
            load_runtime=lambda: model.runtime,
            progress=stop,
            workers=1,
        )
    with pytest.raises(
        EngineError, match=r"12 photos .* which have encoded 8 so far\. Search with .*, or encode the rest"
    ):
        SearchEngine.open(library, weights=other_weights)
    with SearchEngine.open(library, weights=weights) as engine:
        assert len(engine.search(SENTENCE).hits) == PHOTO_COUNT
