"""A real, tiny implementation of the runtime protocol, which sees nothing but colours: for tests of the library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import EncodedImages, EncodedText

GENERATION = "colours"
COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
}
EMBEDDING_SIZE = 32
HIDDEN_SIZE = 32
_BINS = 4
_PROJECTION = np.random.default_rng(0).normal(size=(_BINS**3, EMBEDDING_SIZE)).astype(np.float32)


class ColourRuntime:
    """Embeddings are projected colour histograms; pixel features those of the four quarters of a photo."""

    at_once = 1

    def __init__(self) -> None:
        self.photos_encoded = 0

    @property
    def device(self) -> str:
        return "cpu"

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        self.photos_encoded += len(images)
        features = [self.cells(image) @ _PROJECTION for image in images]
        embeddings = np.stack([_normalised(_histogram(image) @ _PROJECTION) for image in images])
        return EncodedImages(embeddings, features, np.stack([_histogram(image) for image in images]))

    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        high, wide = image.shape[0] // 2, image.shape[1] // 2
        quarters = [image[:high, :wide], image[:high, wide:], image[high:, :wide], image[high:, wide:]]
        return np.stack([_histogram(quarter) for quarter in quarters])

    def prepare(self, *, rerank: bool) -> None:
        """Everything is there."""

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        words = [
            np.stack([_histogram(np.array([[COLOURS[word]]], np.uint8)) @ _PROJECTION for word in sentence.split()])
            for sentence in sentences
        ]
        return EncodedText(np.stack([_normalised(word.sum(axis=0)) for word in words]), words)

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        words = text.word_features * (len(pixel_features) if len(text) == 1 else 1)
        if len(words) != len(pixel_features):
            raise ValueError("as many sentences as photos, or one")
        return np.asarray(
            [float((word.mean(axis=0) @ pixels.T).mean()) for word, pixels in zip(words, pixel_features, strict=True)],
            dtype=np.float32,
        )

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        words = text.word_features * (len(pixel_features) if len(text) == 1 else 1)
        tokens = [np.concatenate(pair) for pair in zip(words, pixel_features, strict=True)]
        likeness = [np.exp(weights @ weights.T) for weights in tokens]
        return [(weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)[None, None] for weights in likeness]


def colour_processor() -> PixelBertImageProcessor:
    return PixelBertImageProcessor(image_size=32)


def _histogram(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    bins = image.reshape(-1, 3).astype(np.int64) * _BINS // 256
    codes = (bins[:, 0] * _BINS + bins[:, 1]) * _BINS + bins[:, 2]
    return (np.bincount(codes, minlength=_BINS**3) / len(codes)).astype(np.float32)


def _normalised(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
