"""The processor: pixels and word pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.processor import SPECIAL_TOKENS, Aspect, PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.weights import WeightsError


def test_no_sentence_is_all_unknown(processor: PixelBertProcessor) -> None:
    unknown = processor.tokenizer.token_to_id("[UNK]")
    for sentence in ("a red circle", "A RED Circle", "circles", "rectangle"):
        ids = processor.text([sentence])["input_ids"][0]
        assert ids[0] == processor.tokenizer.token_to_id("[CLS]")
        assert ids[-1] == processor.tokenizer.token_to_id("[SEP]")
        assert unknown not in ids


def test_the_same_sentences_give_the_same_vocabulary() -> None:
    sentences = ["a red circle", "a blue square", "a red square"]
    assert learn_vocabulary(sentences, 60) == learn_vocabulary(sentences, 60)
    assert list(learn_vocabulary(sentences, 60))[-4:] == ["red", "square", "blue", "circle"]


def test_a_vocabulary_without_special_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[CLS\]"):
        wordpiece_tokenizer({"a": 0, "[UNK]": 1, "[PAD]": 2})


def test_sentences_are_padded_and_cut(processor: PixelBertProcessor) -> None:
    inputs = processor.text(["a red circle", "a blue square " * 50])
    assert inputs["input_ids"].shape == (2, 32)
    assert inputs["attention_mask"].sum(1).tolist()[1] == 32
    assert not inputs["attention_mask"][0, 10:].any()


def test_squash_makes_a_square(processor: PixelBertProcessor) -> None:
    assert processor.resize(Image.new("RGB", (400, 100))).shape == (96, 96, 3)


@pytest.mark.parametrize(
    ("size", "expected"), [((1000, 600), (480, 288)), ((600, 1000), (288, 480)), ((4000, 100), (480, 32))]
)
def test_keep_keeps_the_ratio_in_multiples_of_32(
    processor: PixelBertProcessor, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    keep = PixelBertProcessor(processor.tokenizer, image_size=300, aspect="keep")
    assert keep.target_size(*size) == expected


def test_padding_is_told_apart_from_black_and_grey_pixels(processor: PixelBertProcessor) -> None:
    grey = np.full((64, 64, 3), 127, dtype=np.uint8)
    inputs = processor.images([grey, np.zeros((96, 64, 3), dtype=np.uint8)])
    assert inputs["pixel_values"].shape == (2, 3, 96, 64)
    assert inputs["pixel_mask"].sum(axis=(1, 2)).tolist() == [64 * 64, 96 * 64]


def test_what_is_saved_is_what_is_loaded(processor: PixelBertProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    again = PixelBertProcessor.from_pretrained(tmp_path)
    assert np.array_equal(again.text(["a red circle"])["input_ids"], processor.text(["a red circle"])["input_ids"])
    image = np.arange(96 * 96 * 3, dtype=np.uint8).reshape(96, 96, 3)
    assert np.array_equal(again.images([image])["pixel_values"], processor.images([image])["pixel_values"])


def test_a_damaged_tokenizer_is_named(processor: PixelBertProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        PixelBertProcessor.from_pretrained(tmp_path)


def test_words_of_a_sentence_know_their_tokens() -> None:
    pieces = ["a", "dog", "run", "##s", "cafe", ",", "!"]
    tokens = dict.fromkeys([*SPECIAL_TOKENS, *pieces])
    processor = PixelBertProcessor(wordpiece_tokenizer({piece: row for row, piece in enumerate(tokens)}), max_tokens=8)
    assert processor.words("A dog runs, Café!") == [
        ("A", range(1, 2)),
        ("dog", range(2, 3)),
        ("runs", range(3, 5)),
        ("Café", range(6, 7)),
    ]
    assert processor.text(["A dog runs, Café!"])["input_ids"].shape == (1, 8)
    assert processor.words("a a a a a a a dog")[-1] == ("a", range(6, 7)), "cut where the model stops reading"
    assert processor.words("!") == []


@pytest.mark.parametrize(
    ("aspect", "size", "count", "grid"),
    [("squash", (640, 480), 64, (8, 8)), ("squash", (10, 900), 256, (16, 16)), ("keep", (640, 480), 80, (8, 10))],
)
def test_pixel_tokens_are_a_grid_over_the_photo(
    aspect: Aspect, size: tuple[int, int], count: int, grid: tuple[int, int]
) -> None:
    processor = PixelBertProcessor(
        wordpiece_tokenizer({token: row for row, token in enumerate(SPECIAL_TOKENS)}), aspect=aspect
    )
    assert processor.grid(*size, count) == grid
    with pytest.raises(ValueError, match="does not become 7 tokens"):
        processor.grid(*size, 7)
