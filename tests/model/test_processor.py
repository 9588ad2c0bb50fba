"""The processor: word pieces, and what lies on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.image_processor import PixelBertImageProcessor
from model.processor import SPECIAL_TOKENS, PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.weights import WeightsError, find_weights


def test_no_sentence_is_all_unknown(processor: PixelBertProcessor) -> None:
    unknown = processor.tokenizer.token_to_id("[UNK]")
    for sentence in ("a red circle", "A RED Circle", "circles", "rectangle"):
        ids = processor.tokenize([sentence])["input_ids"][0]
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
    inputs = processor.tokenize(["a red circle", "a blue square " * 50])
    assert inputs["input_ids"].shape == (2, 32)
    assert inputs["attention_mask"].sum(1).tolist()[1] == 32
    assert not inputs["attention_mask"][0, 10:].any()


def test_padding_is_as_the_tokenizer_alone_would_leave_it(processor: PixelBertProcessor) -> None:
    sentences = ["a red circle", "a blue square above a green triangle", "circle", ""]
    inputs = processor.tokenize(sentences)
    width = inputs["input_ids"].shape[1]
    pad = processor.tokenizer.token_to_id("[PAD]")
    for sentence, ids, mask in zip(sentences, inputs["input_ids"], inputs["attention_mask"], strict=True):
        alone = processor.tokenizer.encode(sentence).ids
        assert ids.tolist() == alone + [pad] * (width - len(alone))
        assert mask.tolist() == [True] * len(alone) + [False] * (width - len(alone))
    assert inputs["input_ids"].dtype == np.int64
    assert inputs["attention_mask"].dtype == np.bool_


def test_the_shipped_files_are_written_back_byte_for_byte(tmp_path: Path) -> None:
    shipped = find_weights()
    PixelBertProcessor.from_pretrained(shipped).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "processor_config.json"):
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes()


def test_what_is_saved_is_what_is_loaded(processor: PixelBertProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    again = PixelBertProcessor.from_pretrained(tmp_path)
    assert np.array_equal(
        again.tokenize(["a red circle"])["input_ids"], processor.tokenize(["a red circle"])["input_ids"]
    )
    assert again.image_processor == processor.image_processor
    assert again.max_tokens == processor.max_tokens


def test_a_damaged_tokenizer_is_named(processor: PixelBertProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        PixelBertProcessor.from_pretrained(tmp_path)


def test_words_of_a_sentence_know_their_tokens() -> None:
    pieces = ["a", "dog", "run", "##s", "cafe", ",", "!"]
    tokens = dict.fromkeys([*SPECIAL_TOKENS, *pieces])
    tokenizer = wordpiece_tokenizer({piece: row for row, piece in enumerate(tokens)})
    processor = PixelBertProcessor(PixelBertImageProcessor(), tokenizer, max_tokens=8)
    assert processor.words("A dog runs, Café!") == [
        ("A", range(1, 2)),
        ("dog", range(2, 3)),
        ("runs", range(3, 5)),
        ("Café", range(6, 7)),
    ]
    assert processor.tokenize(["A dog runs, Café!"])["input_ids"].shape == (1, 8)
    assert processor.words("a a a a a a a dog")[-1] == ("a", range(6, 7)), "cut where the model stops reading"
    assert processor.words("!") == []
