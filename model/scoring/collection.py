"""Encoded photos and captions: the input of fitting and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.data.shards import CaptionedPhoto
from model.processor import PixelBertProcessor
from model.runtime.protocol import EncodedImages, EncodedText, Runtime
from model.scoring.parts import PreparedPhotos
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.ranker import Ranker

Direction = Literal["text_to_image", "image_to_text"]
DIRECTIONS: tuple[Direction, ...] = ("text_to_image", "image_to_text")

_IMAGES, _SENTENCES = 32, 256


@dataclass(frozen=True)
class Side:
    """Queries or candidates: the vector of each that a shortlist compares, and the photo that it is or was written
    about."""

    embeddings: NDArray[np.float32]  # (Q, E)
    vectors: NDArray[np.float32]  # (Q, D)
    photos: NDArray[np.int64]  # (Q,)


@dataclass(frozen=True)
class EncodedCollection:
    """N photos and their M captions, encoded; caption j was written about photo `caption_to_image[j]`, ascending."""

    photos: PreparedPhotos  # N
    text: EncodedText  # M
    caption_to_image: NDArray[np.int64]  # (M,)

    def sides(self, direction: Direction, photo_vectors: PhotoVectors) -> tuple[Side, Side]:
        """The queries and the candidates of `direction`, their vectors made by `photo_vectors`."""
        photos = photo_vectors.of_photos(self.photos.embeddings, self.photos.pooled_features).astype(np.float32)
        sentences = photo_vectors.of_sentences(self.text)
        captions = sentences.vectors
        if direction == "image_to_text":  # captions are compared with one another, so that their offsets count
            photos = np.column_stack([photos, np.ones(len(photos), dtype=np.float32)])
            captions = sentences.weights[:, None] * np.column_stack([captions, sentences.offsets])
        caption_side = Side(self.text.embeddings, captions, self.caption_to_image)
        photo_side = Side(self.photos.embeddings, photos, np.arange(len(photos)))
        return (caption_side, photo_side) if direction == "text_to_image" else (photo_side, caption_side)

    def part(self, first: int, end: int) -> EncodedCollection:
        """The photos from `first` to before `end` with their captions."""
        rows = np.flatnonzero((self.caption_to_image >= first) & (self.caption_to_image < end))
        return EncodedCollection(
            self.photos.part(first, end), self.text.select(rows.tolist()), self.caption_to_image[rows] - first
        )

    def folds(self, size: int) -> Iterator[EncodedCollection]:
        """The consecutive blocks of `size` photos with their captions; photos that do not fill a block are left out."""
        for first, end in pairwise(range(0, len(self.photos) + 1, size)):
            yield self.part(first, end)


def encode_photos(
    runtime: Runtime,
    photos: Sequence[CaptionedPhoto],
    processor: PixelBertProcessor,
    *,
    label: str = "photos",
    progress: bool = False,
) -> Iterator[EncodedImages]:
    """Encode photos in batches, in their order; `label` is that of the progress bar."""
    starts = range(0, len(photos), _IMAGES)
    for start in tqdm(starts, desc=label, unit="batch", disable=not progress):
        yield runtime.encode_image(
            [photo.decode(processor.image_processor) for photo in photos[start : start + _IMAGES]]
        )


def encode_collection(
    ranker: Ranker, photos: Sequence[CaptionedPhoto], processor: PixelBertProcessor, *, progress: bool = False
) -> EncodedCollection:
    """Encode captioned photos as indexing does, and prepare them for scoring."""
    images = EncodedImages.joined(list(encode_photos(ranker.runtime, photos, processor, progress=progress)))
    caption_to_image = np.array([row for row, photo in enumerate(photos) for _ in photo.captions], dtype=np.int64)
    text = encode_sentences(ranker.runtime, [caption for photo in photos for caption in photo.captions])
    return EncodedCollection(ranker.prepare(images), text, caption_to_image)


def encode_sentences(runtime: Runtime, sentences: Sequence[str]) -> EncodedText:
    """Encode sentences in batches, in their order."""
    starts = range(0, len(sentences), _SENTENCES)
    return EncodedText.joined([runtime.encode_text(sentences[start : start + _SENTENCES]) for start in starts])
