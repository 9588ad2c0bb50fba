"""What a Pixel-BERT reads: photos as arrays of pixels, sentences as word pieces.

Built on Pillow, numpy and `tokenizers` alone, so that the command line starts with neither PyTorch nor transformers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from model.image_processor import CONFIG_FILE, PixelBertImageProcessor
from model.weights import WeightsError, read_json

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_TOKENS = 4096  # more than any model reads: a limit, so that weights from elsewhere cannot take all memory


class TextInputs(TypedDict):
    """A batch of tokenized sentences, padded to the longest."""

    input_ids: NDArray[np.int64]  # (B, T)
    attention_mask: NDArray[np.bool_]  # (B, T), True on tokens


class PixelBertProcessor:
    """The image transform and the WordPiece tokenizer of one model, which cuts a sentence at `max_tokens`.

    Raises ValueError when `max_tokens` cannot be used.
    """

    def __init__(self, image_processor: PixelBertImageProcessor, tokenizer: Tokenizer, *, max_tokens: int = 64) -> None:
        if not 2 < max_tokens <= _MAX_TOKENS:
            raise ValueError(f"max_tokens is 3 to {_MAX_TOKENS}, not {max_tokens}")
        self.image_processor = image_processor
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
        tokenizer.enable_truncation(max_tokens)

    def tokenize(self, sentences: Sequence[str]) -> TextInputs:
        """Tokenize as `[CLS] words [SEP]`, cut at `max_tokens`."""
        encodings = self.tokenizer.encode_batch(list(sentences))
        return {
            "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.bool_),
        }

    def words(self, sentence: str) -> list[tuple[str, range]]:
        """The words of a sentence, as far as `tokenize` keeps it, each with its tokens (columns of `tokenize`).

        Marks without a letter or a digit are no words.
        """
        encoding = self.tokenizer.encode(sentence)
        tokens: dict[int, list[int]] = {}
        for column, word in enumerate(encoding.word_ids):
            if word is not None:
                tokens.setdefault(word, []).append(column)
        spans = [range(columns[0], columns[-1] + 1) for columns in tokens.values()]
        offsets = encoding.offsets
        words = [(sentence[offsets[span.start][0] : offsets[span.stop - 1][1]], span) for span in spans]
        return [(word, span) for word, span in words if any(character.isalnum() for character in word)]

    def save_pretrained(self, folder: Path) -> None:
        """Write `tokenizer.json` and `processor_config.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        tokenizer.no_padding()  # no part of the file
        tokenizer.save(str(folder / "tokenizer.json"))
        settings = {**asdict(self.image_processor), "max_tokens": self.max_tokens}
        (folder / CONFIG_FILE).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path) -> PixelBertProcessor:
        """Read what `save_pretrained` wrote. Raises WeightsError naming the file that does not fit."""
        image_processor = PixelBertImageProcessor.from_pretrained(folder)
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare Exception
            raise WeightsError(f"{folder / 'tokenizer.json'} is not a tokenizer: {error}") from error
        try:
            return cls(image_processor, tokenizer, max_tokens=read_json(folder / CONFIG_FILE).get("max_tokens", 64))
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{folder / CONFIG_FILE} does not fit: {error}") from error


def wordpiece_tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    """BERT's uncased WordPiece over `vocabulary` (word piece -> id).

    Raises ValueError when a special token is missing: without them every sentence would be noise.
    """
    missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    if missing:
        raise ValueError(f"a WordPiece vocabulary needs {', '.join(missing)}")
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    return _as_bert(tokenizer)


def read_vocabulary(path: Path) -> dict[str, int]:
    """The word pieces of a BERT `vocab.txt`, one a line."""
    pieces = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    return {piece: index for index, piece in enumerate(pieces)}


def learn_vocabulary(sentences: Sequence[str], size: int) -> dict[str, int]:
    """A vocabulary for a model trained from nothing: every character, then the most frequent words.

    The characters keep a word that was never seen from being unknown. The same sentences always give
    the same vocabulary, which `tokenizers`' own trainer does not promise.
    """
    plain = _as_bert(Tokenizer(WordPiece(dict.fromkeys(SPECIAL_TOKENS, 0), unk_token="[UNK]")))
    normalizer, splitter = plain.normalizer, plain.pre_tokenizer
    words = Counter(
        word for sentence in sentences for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(sentence))
    )
    characters = sorted({character for word in words for character in word})
    pieces = [*SPECIAL_TOKENS, *characters, *(f"##{character}" for character in characters)]
    frequent = sorted(words, key=lambda word: (-words[word], word))
    pieces += [word for word in frequent if len(word) > 1][: max(0, size - len(pieces))]
    return {piece: index for index, piece in enumerate(pieces)}


def _as_bert(tokenizer: Tokenizer) -> Tokenizer:
    vocabulary = tokenizer.get_vocab()
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return tokenizer
