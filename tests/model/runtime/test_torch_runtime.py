"""PyTorch's runtime: many pairs at once, in half precision, in whatever memory there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.network.pixels import Tokens
from model.runtime.protocol import EncodedText
from model.runtime.torch_runtime import SentTokens, TorchRuntime
from tests.model.runtime.test_onnx_runtime import SENTENCES, pictures, tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("weights"), aspect="keep")


@pytest.fixture
def runtime(weights: Path) -> TorchRuntime:
    return TorchRuntime.load(weights, device="cpu")


@pytest.fixture(scope="module")
def images(weights: Path) -> list[NDArray[np.uint8]]:
    return pictures(weights, [(200, 100), (100, 200), (100, 100), (200, 100), (300, 100)])


def pairs(runtime: TorchRuntime, images: list[NDArray[np.uint8]]) -> tuple[EncodedText, list[NDArray[np.float32]]]:
    """Every sentence with every photo."""
    text, photos = runtime.encode_text(SENTENCES), runtime.encode_image(images).pixel_features
    rows = [row for row in range(len(SENTENCES)) for _ in photos]
    return text.select(rows), photos * len(SENTENCES)


def test_pairs_score_together_as_they_do_one_by_one(runtime: TorchRuntime, images: list[NDArray[np.uint8]]) -> None:
    text, photos = pairs(runtime, images)
    alone = [runtime.itm_logits(text.select([row]), [photo])[0] for row, photo in enumerate(photos)]
    np.testing.assert_allclose(runtime.itm_logits(text, photos), alone, atol=1e-4)


def test_tokens_that_were_sent_come_back_in_any_order_and_padded() -> None:
    states = [np.full((length, 2), length, dtype=np.float32) for length in (3, 1, 2)]
    sent = SentTokens(states, CPU, torch.float32)
    taken = sent.take(np.array([1, 0, 1]))
    assert taken.mask is not None
    assert taken.mask.tolist() == [[True, False, False], [True] * 3, [True, False, False]]
    assert taken.states[taken.mask][:, 0].tolist() == [1, 3, 3, 3, 1]
    assert sent.take(np.array([2, 2])).mask is None


def test_half_precision_changes_logits_by_less_than_a_hundredth(
    runtime: TorchRuntime, images: list[NDArray[np.uint8]]
) -> None:
    text, photos = pairs(runtime, images)
    whole = runtime.itm_logits(text, photos)
    runtime._dtype = torch.float16  # as on a GPU
    half = runtime.itm_logits(text, photos)
    assert 0 < np.abs(half - whole).max() < 0.01


def test_memory_too_small_for_a_batch_is_enough_for_parts_of_it(
    runtime: TorchRuntime, images: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, photos = pairs(runtime, images)
    expected, encoded = runtime.itm_logits(text, photos), runtime.encode_image(images)
    network, sizes = runtime._model, []
    itm_logits, embed_image = network.itm_logits, network.embed_image

    def small(words: Tokens, pixels: Tokens) -> torch.Tensor:
        sizes.append(len(words.states))
        if len(words.states) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: torch.Tensor = itm_logits(words, pixels)
        return logits

    def smaller(pixels: Tokens) -> torch.Tensor:
        if len(pixels.states) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        embeddings: torch.Tensor = embed_image(pixels)
        return embeddings

    monkeypatch.setattr(network, "itm_logits", small)
    monkeypatch.setattr(network, "embed_image", smaller)
    np.testing.assert_allclose(runtime.itm_logits(text, photos), expected, atol=1e-4)
    np.testing.assert_allclose(runtime.encode_image(images).embeddings, encoded.embeddings, atol=1e-4)
    tried = len(sizes)
    runtime.itm_logits(text, photos)
    assert max(sizes[tried:]) <= 4  # it has learned how many fit


def test_a_single_pair_that_does_not_fit_is_an_error(
    runtime: TorchRuntime, images: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Tokens) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(runtime._model, "itm_logits", none)
    with pytest.raises(torch.OutOfMemoryError):
        runtime.itm_logits(*pairs(runtime, images))
