"""Captioned photos, encoded: what every figure is computed from."""

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
from model.scoring.querybank import Querybank
from model.scoring.word_detectors import PhotoWords, WordEvidence

Direction = Literal["text_to_image", "image_to_text"]
DIRECTIONS: tuple[Direction, ...] = ("text_to_image", "image_to_text")

_IMAGES, _SENTENCES = 32, 256


@dataclass(frozen=True)
class Side:
    """What asks, or what is found: embeddings and, for each, the photo that it is or was written about."""

    embeddings: NDArray[np.float32]  # (Q, E)
    photos: NDArray[np.int64]  # (Q,)


@dataclass(frozen=True)
class EncodedCollection:
    """N photos and their M captions, encoded; caption j was written about photo `owner[j]`, owners rising."""

    image_embeddings: NDArray[np.float32]  # (N, E)
    pixel_features: list[NDArray[np.float32]]  # N of (P, D)
    words: PhotoWords  # of the N photos
    text: EncodedText  # M
    owner: NDArray[np.int64]  # (M,)
    hubness: NDArray[np.float32]  # (N,), of the photos: see `Querybank`

    def sides(self, direction: Direction) -> tuple[Side, Side]:
        """The queries and the candidates of `direction`."""
        captions = Side(self.text.embeddings, self.owner)
        photos = Side(self.image_embeddings, np.arange(len(self.image_embeddings)))
        return (captions, photos) if direction == "text_to_image" else (photos, captions)

    def part(self, first: int, end: int) -> EncodedCollection:
        """The photos from `first` to before `end` with their captions."""
        rows = np.flatnonzero((self.owner >= first) & (self.owner < end))
        return EncodedCollection(
            self.image_embeddings[first:end],
            self.pixel_features[first:end],
            self.words.part(first, end),
            self.text.select(rows.tolist()),
            self.owner[rows] - first,
            self.hubness[first:end],
        )

    def folds(self, size: int) -> Iterator[EncodedCollection]:
        """The consecutive blocks of `size` photos with their captions; what does not fill a block is left out."""
        for first, end in pairwise(range(0, len(self.pixel_features) + 1, size)):
            yield self.part(first, end)


def encode_photos(
    runtime: Runtime,
    photos: Sequence[CaptionedPhoto],
    processor: PixelBertProcessor,
    *,
    what: str = "photos",
    progress: bool = False,
) -> Iterator[EncodedImages]:
    """Encode photos, a few at a time, in their order; the progress bar calls them `what`."""
    starts = range(0, len(photos), _IMAGES)
    for start in tqdm(starts, desc=what, unit="batch", disable=not progress):
        yield runtime.encode_image([photo.decode(processor) for photo in photos[start : start + _IMAGES]])


def encode_collection(
    runtime: Runtime,
    photos: Sequence[CaptionedPhoto],
    processor: PixelBertProcessor,
    querybank: Querybank,
    evidence: WordEvidence | None = None,
    *,
    progress: bool = False,
) -> EncodedCollection:
    """Encode captioned photos as an indexer would."""
    embeddings, features, pooled = [], [], []
    for encoded in encode_photos(runtime, photos, processor, progress=progress):
        embeddings.append(encoded.embeddings)
        features += encoded.pixel_features
        pooled.append(encoded.pooled_features)
    captions = [caption for photo in photos for caption in photo.captions]
    owner = np.array([row for row, photo in enumerate(photos) for _ in photo.captions], dtype=np.int64)
    parts = [runtime.encode_text(captions[start : start + _SENTENCES]) for start in range(0, len(captions), _SENTENCES)]
    text = EncodedText(
        np.concatenate([part.embeddings for part in parts]),
        [state for part in parts for state in part.word_features],
        [ids for part in parts for ids in part.word_ids],
    )
    vectors = np.concatenate(embeddings)
    words = (evidence or WordEvidence()).read(np.concatenate(pooled))
    return EncodedCollection(vectors, features, words, text, owner, querybank.hubness(vectors))
