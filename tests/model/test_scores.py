"""What scores become: a calibrated match; and features: bytes on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.calibration import Calibration
from model.quantization import dequantize, quantize
from model.weights import WeightsError


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
