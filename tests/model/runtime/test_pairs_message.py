from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.quantization import dequantize, quantize
from model.runtime.pairs_message import pack, pack_logits, unpack, unpack_logits
from model.runtime.protocol import EncodedText

WIDTH = 6


def text_of(*lengths: int) -> EncodedText:
    random = np.random.default_rng(1)
    features = [random.normal(size=(length, WIDTH)).astype(np.float32) for length in lengths]
    return EncodedText(np.empty((len(lengths), 0), dtype=np.float32), features)


def photos_of(*lengths: int) -> list[np.ndarray]:
    """Pixel features as a library gives them back."""
    random = np.random.default_rng(2)
    arrays = [random.normal(size=(length, WIDTH)).astype(np.float32) for length in lengths]
    return [dequantize(quantize(array), WIDTH) for array in arrays]


MESSAGE = pack("generation", text_of(3), photos_of(2, 4))


@pytest.mark.parametrize("sentences", [(3,), (3, 5, 1)])
def test_pairs_arrive_as_they_were_sent(sentences: tuple[int, ...]) -> None:
    text, photos = text_of(*sentences), photos_of(2, 4, 7)
    pairs = unpack(pack("generation", text, photos))
    assert pairs.generation == "generation"
    for sent, arrived in zip(text.word_features, pairs.text.word_features, strict=True):
        np.testing.assert_array_equal(arrived, sent)
    for sent, arrived in zip(photos, pairs.pixel_features, strict=True):
        np.testing.assert_array_equal(arrived, sent)


def test_logits_arrive_as_they_were_sent() -> None:
    logits = np.array([1.5, -2.25], dtype=np.float32)
    np.testing.assert_array_equal(unpack_logits(pack_logits(logits), 2), logits)
    for answer, pairs in ((pack_logits(logits), 3), (b"", 1), (pack_logits(logits * np.nan), 2)):
        with pytest.raises(ValueError, match=r"."):
            unpack_logits(answer, pairs)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(message)


@pytest.mark.parametrize("length", range(0, len(MESSAGE), 7))
def test_a_message_that_was_cut_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(MESSAGE[:length])


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 0},
        {"width": -6},
        {"width": 10**18},
        {"width": True},
        {"words": []},
        {"words": [0]},
        {"words": [1, 1, 1]},
        {"words": ["3"]},
        {"photos": []},
        {"photos": [16.0, 32]},
        {"photos": [1] * 5000},
        {"photos": [15, 33]},
        {"generation": None},
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense_is_refused(changed: dict[str, object]) -> None:
    header, _, body = MESSAGE.partition(b"\n")
    with pytest.raises(ValueError, match=r"."):
        unpack(json.dumps(json.loads(header) | changed).encode() + b"\n" + body)


def test_word_features_that_are_no_numbers_are_refused() -> None:
    text = text_of(3)
    text.word_features[0][1, 1] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        unpack(pack("generation", text, photos_of(2)))
