"""Word evidence: which words people use of a photo like this one, and so how likely a sentence is to be about it.

A linear classifier for each word, learned from captions, reads the mean of the CNN's last feature map. Such word
detectors are those of Fang et al., "From Captions to Visual Concepts and Back" (arXiv 1411.4952). Naive Bayes makes
evidence of them: the logarithm of how much likelier the words of a sentence are about this photo than about any.
Each word of each caption teaches, where ITM learns one bit from a pair: it takes far fewer photos to learn.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.atomic import replacing
from model.runtime.batching import distinct
from model.runtime.protocol import EncodedText
from model.weights import WeightsError

FILE = "word_evidence.npz"
_LARGEST_BYTES = 256 << 20


def rooted(pooled_features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the classifiers read of pooled features, elementwise: the square root, which lets small ones count (power
    normalisation, Perronnin et al. 2010)."""
    return np.asarray(np.sign(pooled_features) * np.sqrt(np.abs(pooled_features)), dtype=np.float32)


@dataclass(frozen=True)
class PhotoWords:
    """What N photos say of each of V words."""

    ids: NDArray[np.int64]
    """(V,) The word pieces, ascending."""
    said: NDArray[np.float32]
    """(N, V) Evidence for a photo when a sentence uses the word, beside that when it does not."""
    unsaid: NDArray[np.float32]
    """(N,) Evidence for a photo when a sentence uses none of the words."""

    def evidence(self, text: EncodedText, photos: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much speaks for sentence i being about photo `photos[i]` (B,); one sentence goes with every photo.

        Negative where it speaks against it. Words without a classifier count for nothing.
        """
        if not (len(self.ids) and text.word_ids and len(photos)):
            return np.zeros(len(photos), dtype=np.float32)
        sentences, sentence = distinct(text.word_ids)
        words = [self._columns(ids) for ids in sentences]
        mine = np.broadcast_to(sentence, photos.shape)
        pairs = np.repeat(np.arange(len(photos)), np.array([len(columns) for columns in words])[mine])
        columns = np.concatenate([words[row] for row in mine.tolist()])
        sums = np.bincount(pairs, self.said[photos[pairs], columns], minlength=len(photos))
        return np.asarray(sums + self.unsaid[photos], dtype=np.float32)

    def of_each(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The part (N, T) that each of a sentence's word pieces (T,) has in the evidence for each photo.

        Nothing where a piece has no classifier, or has come before.
        """
        parts = np.zeros((len(self.said), len(ids)), dtype=np.float32)
        _, first = np.unique(ids, return_index=True)
        for place in first.tolist():
            parts[:, place] = self.said[:, self._columns(ids[place : place + 1])].sum(axis=1)
        return parts

    def part(self, first: int, end: int) -> PhotoWords:
        """The photos from `first` to before `end`."""
        return PhotoWords(self.ids, self.said[first:end], self.unsaid[first:end])

    def _columns(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classifiers of a sentence's words, each once."""
        return np.flatnonzero(np.isin(self.ids, ids))


@dataclass(frozen=True)
class WordEvidence:
    """The classifiers of V words, kept beside the weights; of none where none were learned."""

    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(V,) The word pieces, ascending."""
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    """(V, C)"""
    bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,)"""
    usual: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,) The logit of each word for any photo."""

    def read(self, pooled_features: NDArray[np.float32]) -> PhotoWords:
        """What photos say of the words, from their pooled features (N, C).

        Raises WeightsError when the words were learned with another network.
        """
        count, width = pooled_features.shape
        if not len(self.ids):
            return PhotoWords(self.ids, np.zeros((count, 0), dtype=np.float32), np.zeros(count, dtype=np.float32))
        if width != self.weights.shape[1]:
            raise WeightsError(
                f"the words in {FILE} were learned from {self.weights.shape[1]:,} features of a photo, these weights "
                f"have {width:,}: delete it, or make it anew with `pixelseek model calibrate` and train photos."
            )
        logits = rooted(pooled_features) @ self.weights.T + self.bias  # (N, V)
        unsaid = _log_one_less(logits) - _log_one_less(self.usual)
        return PhotoWords(self.ids, logits - self.usual, unsaid.sum(axis=1))

    @classmethod
    def load(cls, weights: Path) -> Self:
        """Those in folder `weights`. Raises WeightsError when they cannot be read."""
        path = weights / FILE
        if not path.exists():
            return cls()
        remedy = "Make it anew with `pixelseek model calibrate`."
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                raise WeightsError(f"{path} is larger than any word classifiers. {remedy}")
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                read = {name: arrays[name] for name in ("ids", "weights", "bias", "usual")}
        except (EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{path} cannot be read: {error}. {remedy}") from error
        if not _fits(read):
            raise WeightsError(f"{path} does not hold word classifiers. {remedy}")
        floats = {name: read[name].astype(np.float32) for name in ("weights", "bias", "usual")}
        return cls(ids=read["ids"], **floats)

    def save(self, weights: Path) -> None:
        """Write them into folder `weights`, as float16."""
        with replacing(weights / FILE) as new, new.open("wb") as file:
            np.savez(
                file,
                ids=self.ids,
                weights=self.weights.astype(np.float16),
                bias=self.bias,
                usual=self.usual,
            )


def _fits(read: dict[str, Any]) -> bool:
    count = len(read["ids"]) if read["ids"].ndim == 1 else -1
    return (
        read["ids"].dtype == np.int64
        and bool((np.diff(read["ids"]) > 0).all())
        and read["weights"].ndim == 2
        and all(read[name].dtype.kind == "f" and np.isfinite(read[name]).all() for name in ("weights", "bias", "usual"))
        and all(read[name].shape == (count,) for name in ("bias", "usual"))
        and len(read["weights"]) == count
    )


def _log_one_less(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """log(1 - sigmoid(logits)), elementwise."""
    return -np.logaddexp(np.float32(0.0), logits)
