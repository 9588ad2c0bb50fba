"""The vectors of photos and sentences: their inner product is the score without the joint pass."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runtime.protocol import EncodedImages, EncodedText
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.ranker import Ranker
from model.scoring.word_detectors import WordDetectors
from model.weights import WeightsError
from tests.model.numbered import Known

SIZE, FEATURES, WORDS = 8, 12, 20


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(shape).normal(0, 1, shape).astype(np.float32)


def unit(*shape: int) -> NDArray[np.float32]:
    vectors = normal(*shape)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


DETECTORS = WordDetectors(np.arange(WORDS), normal(WORDS, FEATURES), normal(WORDS) - 3, normal(WORDS) - 3)
PARAMETERS = ScoringParameters(
    Calibration(similarity_scale=20.0, log_odds_scale=0.8),
    Querybank(unit(9, SIZE)),
    DETECTORS,
    Projection.learn(DETECTORS, normal(500, FEATURES)),
)
PHOTOS = EncodedImages(unit(30, SIZE), [normal(2, 4)] * 30, normal(30, FEATURES))
SENTENCES = EncodedText(
    unit(5, SIZE),
    [normal(3, 4)] * 5,
    [
        np.array([101, 1, 2, 102]),
        np.array([101, 3, 3, 3, 19, 102]),  # one word three times
        np.array([101, 77, 102]),  # no word has a detector
        np.array([101, 5, 77, 6, 102]),
        np.array([], dtype=np.int64),
    ],
)


def expected(parameters: ScoringParameters, **included: bool) -> NDArray[np.float32]:
    """(5, 30) The scores without a joint pass, pair by pair."""
    ranker = Ranker(Known([1]), parameters, joint=False, **included)
    photos = ranker.prepare(PHOTOS)
    rows = np.arange(len(photos))
    return np.stack([ranker.score(SENTENCES.select([row]), photos, rows).scores for row in range(5)])


def products(vectors: PhotoVectors) -> NDArray[np.float32]:
    sentences = vectors.of_sentences(SENTENCES)
    photos = vectors.of_photos(PHOTOS.embeddings, PHOTOS.pooled_features).astype(np.float32)
    return sentences.weights[:, None] * (sentences.vectors @ photos.T + sentences.offsets[:, None])


@pytest.mark.parametrize(
    "included", [{}, {"hubness": False}, {"detectors": False}, {"hubness": False, "detectors": False}]
)
@pytest.mark.parametrize(
    "fitted",
    [
        PARAMETERS,
        replace(PARAMETERS, calibration=Calibration()),
        replace(PARAMETERS, calibration=Calibration(0.0, 0.5)),
        replace(PARAMETERS, calibration=Calibration(0.5, 20.0)),
        replace(PARAMETERS, querybank=Querybank()),
        replace(PARAMETERS, detectors=replace(DETECTORS, word_weights=normal(WORDS), absent_weight=1.4)),
        replace(PARAMETERS, detectors=WordDetectors(), projection=Projection()),
        ScoringParameters(),
    ],
)
def test_the_inner_product_is_the_score_without_the_joint_pass(
    fitted: ScoringParameters, included: dict[str, bool]
) -> None:
    calibration = fitted.calibration
    scores = expected(fitted, **included) / (calibration.similarity_scale or 1.0)
    rounding = 0.02 * max(1.0, calibration.log_odds_scale / (calibration.similarity_scale or 1.0))
    np.testing.assert_allclose(products(PhotoVectors(fitted, **included)), scores, atol=rounding)


def test_a_narrow_projection_keeps_what_the_words_read_most() -> None:
    features = normal(2000, FEATURES)
    weights = DETECTORS.weights.copy()
    weights[:, 4:] *= 0.05  # the words read four features, and hardly any other
    detectors = replace(DETECTORS, weights=weights)
    narrow = Projection.learn(detectors, features, 4)
    assert narrow.width == 4
    vectors = PhotoVectors(replace(PARAMETERS, detectors=detectors, projection=narrow))
    exact = expected(replace(PARAMETERS, detectors=detectors)) / 20.0
    assert np.corrcoef(products(vectors).ravel(), exact.ravel())[0, 1] > 0.99


def test_without_a_projection_photos_are_compared_by_similarity_less_hubness() -> None:
    vectors = PhotoVectors(replace(PARAMETERS, projection=Projection()))
    scores = expected(PARAMETERS, detectors=False) / 20.0
    np.testing.assert_allclose(products(vectors), scores, atol=0.002)


def test_a_network_without_fitted_parts_compares_embeddings_alone() -> None:
    vectors = PhotoVectors(ScoringParameters())
    assert vectors.digest == ""
    photos = vectors.of_photos(PHOTOS.embeddings, PHOTOS.pooled_features)
    np.testing.assert_array_equal(photos, PHOTOS.embeddings.astype(np.float16))
    np.testing.assert_array_equal(vectors.of_sentences(SENTENCES).vectors, SENTENCES.embeddings)


@pytest.mark.parametrize("parameters", [PARAMETERS, ScoringParameters()])
def test_an_embedding_finds_photos_by_their_cosine(parameters: ScoringParameters) -> None:
    vectors = PhotoVectors(parameters)
    photos = vectors.of_photos(PHOTOS.embeddings, PHOTOS.pooled_features).astype(np.float32)
    found = vectors.of_embeddings(PHOTOS.embeddings[:3]) @ photos.T
    np.testing.assert_allclose(found, PHOTOS.embeddings[:3] @ PHOTOS.embeddings.T, atol=0.002)


def test_vectors_have_a_width_that_faiss_reads_fast_and_begin_with_the_embedding() -> None:
    photos = PhotoVectors(PARAMETERS).of_photos(PHOTOS.embeddings, PHOTOS.pooled_features)
    assert photos.shape == (30, 32), "8 + 1 + 12 numbers, and zeros up to a multiple of 16"
    assert photos.dtype == np.float16
    np.testing.assert_array_equal(photos[:, :SIZE], PHOTOS.embeddings.astype(np.float16))


def test_the_order_and_number_of_photos_does_not_change_a_vector() -> None:
    vectors = PhotoVectors(PARAMETERS)
    many = np.tile(PHOTOS.embeddings, (70, 1)), np.tile(PHOTOS.pooled_features, (70, 1))
    np.testing.assert_allclose(
        vectors.of_photos(*many)[-30:].astype(np.float32),
        vectors.of_photos(PHOTOS.embeddings, PHOTOS.pooled_features).astype(np.float32),
        atol=0.002,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": Calibration(20.0, 0.9)},
        {"calibration": Calibration(21.0, 0.8)},
        {"querybank": Querybank(unit(10, SIZE))},
        {"detectors": replace(DETECTORS, bias=DETECTORS.bias + np.float32(0.1))},
        {"projection": Projection.learn(DETECTORS, normal(400, FEATURES))},
        {"projection": Projection()},
        {"detectors": replace(DETECTORS, word_weights=normal(WORDS))},
        {"detectors": replace(DETECTORS, absent_weight=1.1)},
    ],
)
def test_what_changes_vectors_changes_their_digest(change: dict[str, Any]) -> None:
    assert PhotoVectors(replace(PARAMETERS, **change)).digest != PhotoVectors(PARAMETERS).digest


def test_the_match_curve_changes_no_vector() -> None:
    curve = replace(PARAMETERS.calibration, match_scale=3.0, match_bias=-1.0)
    assert PhotoVectors(replace(PARAMETERS, calibration=curve)).digest == PhotoVectors(PARAMETERS).digest


def test_numbers_too_large_for_float16_stay_finite() -> None:
    calibration = Calibration(similarity_scale=1e-3, log_odds_scale=1e3)
    large = replace(DETECTORS, weights=DETECTORS.weights * np.float32(1e4))
    for parameters in (replace(PARAMETERS, calibration=calibration), replace(PARAMETERS, detectors=large)):
        assert np.isfinite(PhotoVectors(parameters).of_photos(PHOTOS.embeddings, PHOTOS.pooled_features)).all()


def test_features_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsError, match="learn them anew"):
        PhotoVectors(PARAMETERS).of_photos(PHOTOS.embeddings, normal(30, FEATURES + 1))


def test_a_projection_is_the_same_after_it_was_written(tmp_path: Any) -> None:
    PARAMETERS.save(tmp_path, "these")
    kept = ScoringParameters.load(tmp_path, "these").projection
    for name, array in vars(PARAMETERS.projection).items():
        np.testing.assert_array_equal(getattr(kept, name), array)


def archive(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()


HALF = np.zeros((4, 2), np.float16)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        archive(centre=HALF[:, 0], encoder=HALF),
        archive(centre=HALF[:, 0], encoder=HALF, decoder=HALF),
        archive(centre=HALF[:3, 0], encoder=HALF, decoder=HALF.T),
        archive(centre=HALF[:, 0], encoder=HALF[0], decoder=HALF.T),
        archive(centre=HALF[:, 0], encoder=HALF.astype(np.float32), decoder=HALF.T),
        archive(centre=HALF[:, 0] + np.float16(np.nan), encoder=HALF, decoder=HALF.T),
        archive(centre=HALF[:, 0], encoder=HALF.astype(object), decoder=HALF.T),
    ],
)
def test_a_file_that_holds_no_projection_is_refused(content: bytes) -> None:
    with pytest.raises((EOFError, KeyError, ValueError, zipfile.BadZipFile)):
        Projection.read(io.BytesIO(content))


def test_nothing_is_projected_where_no_words_were_learned() -> None:
    assert Projection.learn(WordDetectors(), normal(10, FEATURES)).width == 0
    assert Projection.learn(DETECTORS, normal(1, FEATURES)).width == 0


def test_vectors_made_with_another_penalty_are_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PhotoVectors(PARAMETERS).digest
    monkeypatch.setattr("model.scoring.photo_vectors.PENALTY", 0.123)
    assert PhotoVectors(PARAMETERS).digest != before
