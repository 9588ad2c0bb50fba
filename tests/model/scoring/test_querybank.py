"""Photos that are near to every sentence, and the bank of sentences that finds them out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.runtime.loading import load_runtime
from model.scoring.querybank import Querybank
from tests.model.scenes import photos


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def test_a_photo_near_to_every_sentence_no_longer_stands_before_the_one_that_is_meant() -> None:
    random = np.random.default_rng(0)
    common = np.full(16, 1.0)
    sentences = unit(common + random.normal(0, 1.0, (200, 16)))
    meant = unit(random.normal(0, 0.3, (16,)) + sentences[0] - 0.5 * unit(common))
    hub = unit(common)
    shown = np.stack([hub, meant])
    similarities = shown @ sentences[0]
    assert similarities[0] > similarities[1]
    normalised = similarities - Querybank(sentences[1:]).hubness(shown)
    assert normalised[0] < normalised[1]


def test_hubness_lies_between_the_mean_similarity_and_the_greatest() -> None:
    bank, shown = (unit(np.random.default_rng(seed).normal(size=(50, 8))) for seed in (1, 2))
    similarities, hubness = shown @ bank.T, Querybank(bank).hubness(shown)
    assert (similarities.mean(axis=1) < hubness).all()
    assert (hubness < similarities.max(axis=1)).all()


def test_without_a_bank_similarities_stay_as_they_are() -> None:
    assert Querybank().hubness(np.ones((3, 8), dtype=np.float32)).tolist() == [0.0, 0.0, 0.0]


def test_a_bank_is_made_of_one_caption_of_each_photo_and_can_be_kept(trained_on_scenes: Path) -> None:
    runtime, train = load_runtime(trained_on_scenes, device="cpu"), photos(12, "train", 3)
    bank = Querybank.of(runtime, train)
    assert bank.embeddings.shape == (12, runtime.encode_text(["a"]).embeddings.shape[1])
    file = io.BytesIO()
    bank.write(file)
    file.seek(0)
    assert np.array_equal(Querybank.read(file).embeddings, bank.embeddings)
    assert np.array_equal(Querybank.of(runtime, train).embeddings, bank.embeddings), "always of the same captions"
