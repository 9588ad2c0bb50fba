"""The runtime protocol: what everything above `model/` may ask of a trained Pixel-BERT.

Numpy in, numpy out. The three passes are those of the network: pixels alone, words alone, words and
pixels together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.heads import Head

_SPECIAL_TOKENS = 2  # [CLS] and [SEP]
_LONG = 100


@dataclass(frozen=True)
class EncodedImages:
    """What the pixels-only pass leaves of B photos."""

    embeddings: NDArray[np.float32]
    """(B, E), L2-normalised: what the shortlist compares with a sentence."""
    pixel_features: list[NDArray[np.float32]]
    """B arrays (P, D): the state of each photo's valid pixel tokens at the fusion layer, for `itm_logits`."""
    pooled_features: NDArray[np.float32]
    """(B, C): the mean of the CNN's last feature map over all views, for `model.scoring.word_detectors`."""

    @classmethod
    def joined(cls, batches: Sequence[EncodedImages]) -> EncodedImages:
        """The photos of all `batches`, one after the other."""
        return cls(
            np.concatenate([batch.embeddings for batch in batches]),
            [features for batch in batches for features in batch.pixel_features],
            np.concatenate([batch.pooled_features for batch in batches]),
        )

    def split(self) -> list[EncodedImages]:
        """Each photo alone."""
        return [
            EncodedImages(self.embeddings[row : row + 1], [features], self.pooled_features[row : row + 1])
            for row, features in enumerate(self.pixel_features)
        ]


@dataclass(frozen=True)
class EncodedText:
    """What the words-only pass leaves of B sentences."""

    embeddings: NDArray[np.float32]
    """(B, E), L2-normalised."""
    word_features: list[NDArray[np.float32]]
    """B arrays (T, D): the state of each sentence's tokens at the fusion layer, for `itm_logits`."""
    word_ids: list[NDArray[np.int64]] = field(default_factory=list)
    """B arrays (T,): the word pieces themselves, for `model.scoring.word_detectors`; none where a runtime has none."""

    @classmethod
    def joined(cls, batches: Sequence[EncodedText]) -> EncodedText:
        """The sentences of all `batches`, one after the other."""
        return cls(
            np.concatenate([batch.embeddings for batch in batches]),
            [features for batch in batches for features in batch.word_features],
            [ids for batch in batches for ids in batch.word_ids],
        )

    def __len__(self) -> int:
        return len(self.word_features)

    def lengths(self) -> NDArray[np.float32]:
        """(B,) How many word pieces each sentence has, special tokens not counted; at least 1.

        Where a runtime gives no word pieces, sentences pass for long ones.
        """
        if not self.word_ids:
            return np.full(len(self.embeddings), _LONG, dtype=np.float32)
        return np.array([max(1, len(ids) - _SPECIAL_TOKENS) for ids in self.word_ids], dtype=np.float32)

    def select(self, rows: Sequence[int]) -> EncodedText:
        """The sentences at `rows`, in that order; a row may be named more than once."""
        return EncodedText(
            self.embeddings[list(rows)],
            [self.word_features[row] for row in rows],
            [self.word_ids[row] for row in rows] if self.word_ids else [],
        )


class PairScorer(Protocol):
    """Reads words and pixels together, here or on other machines."""

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """ITM logits (B,): how well sentence i matches photo i, full cross-modal; one sentence goes with every photo.

        Raises ValueError when there are several sentences, but not as many as photos.
        """


class Runtime(PairScorer, Protocol):
    """A loaded Pixel-BERT."""

    @property
    def device(self) -> str:
        """Where it computes: `cpu`, `cuda`, ..."""

    @property
    def at_once(self) -> int:
        """How many calls of different threads it computes at once; more would only slow each other down."""

    def prepare(self, *, rerank: bool) -> None:
        """Load now what a search with or without a rerank needs, and not when the first one comes."""

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """Encode photos (B arrays (H, W, 3), RGB, as `PixelBertImageProcessor.resize` returns them)."""

    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The CNN's last feature map of a photo (H, W, 3), cell by cell, row after row: (P, C).

        Their mean are its pooled features. Raises WeightsError where the weights have an older graph without them.
        """

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """Encode sentences. A sentence longer than the model reads is cut at its last word piece."""

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """How much each token of sentence and photo i looks at each: B arrays (L, heads, T + P, T + P), words first.

        The attention of the L cross-modal layers, the lowest first; rows sum to 1. Sentences go with photos as in
        `itm_logits`.
        """


class TaskRuntime(Runtime, Protocol):
    """A loaded Pixel-BERT that can be asked for more than retrieval, where there are heads beside its weights."""

    def classify(self, head: Head, text: EncodedText, *photos: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits (B, L) of the labels of `head`: sentence i read with photo i of every list of `photos`.

        Raises ValueError when those are not as many as sentences, and WeightsError when the head cannot be loaded.
        """
