"""What scores become: recall, a calibrated match, bytes on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.calibration import Calibration
from model.evaluation import EncodedCollection, rerank_captions, rerank_photos
from model.evaluation import recall as recall_at
from model.quantization import dequantize, quantize
from model.runtime import EncodedImages, EncodedText
from model.weights import WeightsError


def test_recall_by_hand() -> None:
    scores = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]], dtype=np.float32)
    relevant = np.array([[True, False, False], [False, False, True], [False, False, False]])
    assert recall_at(scores, relevant) == {"r@1": 33.33, "r@5": 66.67, "r@10": 66.67}


def test_ties_count_against_us() -> None:
    scores = np.zeros((1, 3), dtype=np.float32)
    assert recall_at(scores, np.array([[True, False, False]]))["r@1"] == 0.0


class Dot:
    """A runtime whose ITM logit is the dot product of the first tokens."""

    device = "cpu"

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        raise AssertionError(f"nothing is encoded here: {len(images)} photos")

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        raise AssertionError(f"nothing is encoded here: {len(sentences)} sentences")

    def match(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        pairs = zip(text.word_features, pixel_features, strict=True)
        return np.array([words[0] @ pixels[0] for words, pixels in pairs], dtype=np.float32)


def test_the_rerank_finds_what_the_shortlist_ranked_second() -> None:
    near, far = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)
    blurred = np.array([0.8, 0.6], dtype=np.float32)
    collection = EncodedCollection(
        image_embeddings=np.stack([blurred, near]),
        pixel_features=[near[None], far[None]],
        text=EncodedText(np.stack([near, blurred]), [near[None], far[None]]),
        owner=np.array([0, 1]),
    )
    photos = rerank_photos(Dot(), collection, 2)
    assert recall_at(photos.similarities, photos.relevant)["r@1"] == 0.0
    assert recall_at(photos.itm_logits, photos.relevant)["r@1"] == 100.0
    captions = rerank_captions(Dot(), collection, 2)
    assert recall_at(captions.itm_logits, captions.relevant)["r@1"] == 100.0


def test_a_match_is_a_frequency_at_even_odds() -> None:
    random = np.random.default_rng(0)
    itm = random.normal(0, 2, (2000, 8)).astype(np.float32)
    similarities = random.uniform(0, 1, (2000, 8)).astype(np.float32)
    truth = 1 / (1 + np.exp(-(0.5 * (itm + 4 * similarities) - 3)))
    relevant = random.random((2000, 8)) < truth
    calibration = Calibration.fit(similarities, itm, relevant)
    match = calibration.match(calibration.score(itm, similarities))
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        inside = (match >= low) & (match < high)
        true = relevant[inside].mean() / relevant.mean()
        other = (1 - relevant[inside].mean()) / (1 - relevant.mean())
        assert true / (true + other) == pytest.approx(match[inside].mean(), abs=0.05)


def test_the_order_of_the_hits_is_the_order_of_their_match() -> None:
    calibration = Calibration(similarity_scale=4.0, match_scale=0.3, match_bias=-2.0)
    scores = np.linspace(-20, 20, 50, dtype=np.float32)
    assert (np.diff(calibration.match(scores)) > 0).all()


def test_a_calibration_is_kept_beside_the_weights(tmp_path: Path) -> None:
    Calibration(1.5, 0.25, -3.0).save(tmp_path)
    assert Calibration.load(tmp_path) == Calibration(1.5, 0.25, -3.0)
    (tmp_path / "calibration.json").write_text('{"slope": 1}')
    with pytest.raises(WeightsError, match=r"calibration\.json"):
        Calibration.load(tmp_path)


def test_pixel_features_survive_eight_bits() -> None:
    features = np.random.default_rng(0).normal(0, 1, (64, 384)).astype(np.float32)
    packed = quantize(features)
    assert len(packed) == 64 * (384 + 2)
    worst = np.abs(features).max(axis=1, keepdims=True) / 127
    assert (np.abs(dequantize(packed, 384) - features) <= 0.6 * worst).all()


def test_an_all_zero_token_stays_zero() -> None:
    assert not dequantize(quantize(np.zeros((2, 8), dtype=np.float32)), 8).any()


def test_a_cut_blob_is_noticed() -> None:
    packed = quantize(np.ones((2, 8), dtype=np.float32))
    with pytest.raises(ValueError, match="whole number of tokens"):
        dequantize(packed[:-1], 8)
