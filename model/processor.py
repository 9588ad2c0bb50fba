"""What a Pixel-BERT reads: photos as arrays of pixels, sentences as word pieces.

Built on Pillow, numpy and `tokenizers` alone, so that decoding photos and starting the command line
need neither PyTorch nor transformers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from model.weights import WeightsError, read_json

Aspect = Literal["squash", "keep"]
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_STRIDE = 32
_LARGEST_IMAGE_SIZE, _MOST_TOKENS = 4096, 4096  # more than any: weights from elsewhere shall not take all memory
_STRIDES = (4, 8, 16, 32, 64, 128)  # of CNNs, the 2x2 pool included
LONGEST_OVER_SHORTEST = 1333 / 800  # paper, section 4.1: shorter side 800, longer side at most 1333


class TextInputs(TypedDict):
    """A batch of tokenized sentences, padded to the longest."""

    input_ids: NDArray[np.int64]  # (B, T)
    attention_mask: NDArray[np.bool_]  # (B, T), True on tokens


class ImageInputs(TypedDict):
    """A batch of normalised photos, padded to the largest."""

    pixel_values: NDArray[np.float32]  # (B, 3, H, W)
    pixel_mask: NDArray[np.bool_]  # (B, H, W), True on the photo, never read off pixel values


class PixelBertProcessor:
    """WordPiece tokenizer and image transform of one model.

    `aspect` is `squash` (a square of `image_size`) or `keep` (shorter side `image_size`, longer side
    at most 1333/800 of it, both cut to multiples of 32, the rest padded). `image_mean` and `image_std`
    are in units of a byte, 0 to 255, one per channel.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        image_size: int = 256,
        aspect: Aspect = "squash",
        image_mean: Sequence[float] = (127.0, 127.0, 127.0),
        image_std: Sequence[float] = (128.0, 128.0, 128.0),
        max_tokens: int = 64,
    ) -> None:
        if aspect not in ("squash", "keep"):
            raise ValueError(f"aspect is 'squash' or 'keep', not {aspect!r}")
        if not 1 <= image_size <= _LARGEST_IMAGE_SIZE:
            raise ValueError(f"image_size is 1 to {_LARGEST_IMAGE_SIZE} pixels, not {image_size}")
        if not 2 < max_tokens <= _MOST_TOKENS:
            raise ValueError(f"max_tokens is 3 to {_MOST_TOKENS}, not {max_tokens}")
        self.tokenizer = tokenizer
        self.image_size = image_size
        self.aspect: Aspect = aspect
        self.image_mean = tuple(float(value) for value in image_mean)
        self.image_std = tuple(float(value) for value in image_std)
        self.max_tokens = max_tokens
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels to which a photo of this size is resized."""
        if self.aspect == "squash":
            return self.image_size, self.image_size
        scale = self.image_size / min(width, height)
        longest = int(self.image_size * LONGEST_OVER_SHORTEST)
        scale = min(scale, longest / max(width, height))
        return tuple(max(_STRIDE, int(side * scale) // _STRIDE * _STRIDE) for side in (width, height))  # type: ignore[return-value]

    def resize(self, image: Image.Image) -> NDArray[np.uint8]:
        """An upright photo as RGB bytes (H, W, 3) of the size the model reads."""
        size = self.target_size(*image.size)
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        return np.asarray(rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0), dtype=np.uint8)

    def images(self, images: Sequence[NDArray[np.uint8]]) -> ImageInputs:
        """Normalise and pad photos as `resize` returns them."""
        height = max(image.shape[0] for image in images)
        width = max(image.shape[1] for image in images)
        values = np.zeros((len(images), 3, height, width), dtype=np.float32)
        mask = np.zeros((len(images), height, width), dtype=np.bool_)
        mean = np.asarray(self.image_mean, dtype=np.float32)[:, None, None]
        scale = 1.0 / np.asarray(self.image_std, dtype=np.float32)[:, None, None]
        for row, image in enumerate(images):
            high, wide = image.shape[:2]
            values[row, :, :high, :wide] = (image.transpose(2, 0, 1) - mean) * scale
            mask[row, :high, :wide] = True
        return {"pixel_values": values, "pixel_mask": mask}

    def text(self, sentences: Sequence[str]) -> TextInputs:
        """Tokenize as `[CLS] words [SEP]`, cut at `max_tokens`."""
        encoded = [encoding.ids for encoding in self.tokenizer.encode_batch(list(sentences))]
        longest = max(len(ids) for ids in encoded)
        input_ids = np.full((len(encoded), longest), self.tokenizer.token_to_id("[PAD]"), dtype=np.int64)
        mask = np.zeros((len(encoded), longest), dtype=np.bool_)
        for row, ids in enumerate(encoded):
            input_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = True
        return {"input_ids": input_ids, "attention_mask": mask}

    def words(self, sentence: str) -> list[tuple[str, range]]:
        """The words of a sentence, as far as `text` keeps it, each with the tokens (columns of `text`) it became.

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

    def grid(self, width: int, height: int, count: int) -> tuple[int, int]:
        """Rows and columns of the `count` pixel tokens of a photo of this width and height.

        Raises ValueError when a photo of that size has another number of tokens.
        """
        wide, high = self.target_size(width, height)
        for stride in _STRIDES:
            rows, columns = -(-high // stride), -(-wide // stride)
            if rows * columns == count:
                return rows, columns
        raise ValueError(f"a photo of {width} x {height} pixels does not become {count} tokens")

    def save_pretrained(self, folder: Path) -> None:
        """Write `tokenizer.json` and `processor_config.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        settings = {
            "image_size": self.image_size,
            "aspect": self.aspect,
            "image_mean": self.image_mean,
            "image_std": self.image_std,
            "max_tokens": self.max_tokens,
        }
        (folder / "processor_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path) -> PixelBertProcessor:
        """Read what `save_pretrained` wrote. Raises WeightsError naming the file that does not fit."""
        settings = read_json(folder / "processor_config.json")
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare Exception
            raise WeightsError(f"{folder / 'tokenizer.json'} is not a tokenizer: {error}") from error
        try:
            return cls(tokenizer, **settings)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{folder / 'processor_config.json'} does not fit: {error}") from error


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
