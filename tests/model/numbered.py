"""Photos that show a number, and a runtime that knows the vectors of each by heart: evaluation without a network."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data.shards import CaptionedPhoto
from model.image_processor import PixelBertImageProcessor
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.runtime.protocol import EncodedImages, EncodedText

_SIDE, _BLOCK, _LEVELS = 16, 8, 16  # a photo is two by two grey blocks of JPEG's own size, each a digit
_SIZE = 24


def picture(number: int) -> bytes:
    """A JPEG that shows `number`, below 16**4."""
    digits = np.array([number // _LEVELS**place % _LEVELS for place in range(4)]).reshape(2, 2)
    grey = np.kron(digits * 16 + 8, np.ones((_BLOCK, _BLOCK))).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=90)
    return file.getvalue()


def number_on(image: NDArray[np.uint8]) -> int:
    """The number that a picture shows."""
    blocks = image[:, :, 0].reshape(2, _BLOCK, 2, _BLOCK).mean(axis=(1, 3)).ravel()
    return sum(int(digit) * _LEVELS**place for place, digit in enumerate(blocks // 16))


def processor() -> PixelBertProcessor:
    """Leaves the pictures as they are."""
    tokenizer = wordpiece_tokenizer(learn_vocabulary(["a word"], 30))
    return PixelBertProcessor(PixelBertImageProcessor(image_size=_SIDE), tokenizer)


def caption(number: int, which: int) -> str:
    """Caption `which` of a photo."""
    return f"{number}, told for the {which}th time"


def numbered(counts: Sequence[int]) -> list[CaptionedPhoto]:
    """A photo for each of `counts`, with so many captions."""
    return [
        CaptionedPhoto(f"photo-{row}", picture(row), tuple(caption(row, n) for n in range(count)), "numbers", "test")
        for row, count in enumerate(counts)
    ]


class Known:
    """A runtime for photo i with `counts[i]` captions.

    All vectors are small whole numbers, so that scores are exact whatever they are computed with, and many are tied.
    Similarities and ITM logits agree on what belongs together, and are noisy each in their own way.
    """

    device = "cpu"
    at_once = 1

    def __init__(self, counts: Sequence[int], *, spread: int = 3, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.owner = np.repeat(np.arange(len(counts)), counts)
        names = [(number, which) for number, count in enumerate(counts) for which in range(count)]
        self._row = {caption(*name): row for row, name in enumerate(names)}
        truth = random.integers(-spread, spread + 1, (len(counts), _SIZE))

        def vectors(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return (truth[rows] + random.integers(-spread, spread + 1, (len(rows), _SIZE))).astype(np.float32)

        every = np.arange(len(counts))
        self.photos, self.captions = vectors(every), vectors(self.owner)
        self.pixels, self.words = vectors(every), vectors(self.owner)
        self.matched = 0

    @property
    def similarities(self) -> NDArray[np.float32]:
        """(M, N), of every caption with every photo."""
        return self.captions @ self.photos.T

    @property
    def logits(self) -> NDArray[np.float32]:
        """(M, N), as `itm_logits` gives them."""
        return self.words @ self.pixels.T

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        rows = [number_on(image) for image in images]
        return EncodedImages(self.photos[rows], list(self.pixels[rows, None]), self.photos[rows])

    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise AssertionError(f"nothing is explained here: {image.shape}")

    def prepare(self, *, rerank: bool) -> None:
        """Everything is there."""

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        rows = [self._row[sentence] for sentence in sentences]
        return EncodedText(self.captions[rows], list(self.words[rows, None]))

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        self.matched += len(pixel_features)
        words, pixels = np.concatenate(text.word_features), np.concatenate(list(pixel_features))
        return np.asarray((words * pixels).sum(axis=1), dtype=np.float32)

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        raise AssertionError(f"nothing is explained here: {len(text)} sentences, {len(pixel_features)} photos")
