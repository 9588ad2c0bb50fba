"""Word detectors: which words people use of a photo like this one, and so how likely a sentence is to be about it.

A detector is a linear classifier for one word. It is learned from captions and reads the mean of the CNN's last feature
map, as in Fang et al., "From Captions to Visual Concepts and Back" (arXiv 1411.4952). Naive Bayes turns the detectors
into log-odds: the logarithm of how much likelier the words of a sentence are about this photo than about any photo.
Every word of every caption is a training example, where ITM learns one bit from a pair: far fewer photos are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from model.runtime.batching import distinct
from model.runtime.protocol import EncodedText
from model.scoring.sentence_length import completeness
from model.weights import WeightsError

_NAMES_IN_FILE = {"ids": "ids", "weights": "weights", "bias": "bias", "prior_logits": "usual"}
_WEIGHTS_IN_FILE = ("word_weights", "absent_weight")  # files of older fits have none


def power_normalize(pooled_features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The signed square root, elementwise: small features count for more (Perronnin et al. 2010)."""
    return np.asarray(np.sign(pooled_features) * np.sqrt(np.abs(pooled_features)), dtype=np.float32)


@dataclass(frozen=True)
class DetectedWords:
    """What V word detectors say of N photos, compared with any photo."""

    ids: NDArray[np.int64]
    """(V,) The word pieces, ascending."""
    log_odds: NDArray[np.float32]
    """(N, V) What a word adds to the log-odds of a photo when a sentence uses it instead of leaving it out."""
    absent_log_odds: NDArray[np.float32]
    """(N,) The log-odds of a photo when a sentence uses none of the words."""
    word_weights: NDArray[np.float32]
    """(V,) How much each word counts in the log-odds of a sentence."""
    absent_weight: float
    """How much the words count there that are left out."""

    def sentence_log_odds(self, text: EncodedText, photos: NDArray[np.int64]) -> NDArray[np.float32]:
        """The log-odds (B,) that sentence i is about photo `photos[i]`, and not about any photo; one sentence goes with
        every photo.

        Negative where the words speak against the photo. Words without a detector count for nothing. In a short
        sentence the words that it leaves out count for less, and its own for more (`sentence_length`).
        """
        if not (len(self.ids) and text.word_ids and len(photos)):
            return np.zeros(len(photos), dtype=np.float32)
        sentences, sentence_of_text = distinct(text.word_ids)
        columns_of_sentence = [self._columns(ids) for ids in sentences]
        sentence_of_pair = np.broadcast_to(sentence_of_text, photos.shape)
        counts = np.array([len(columns) for columns in columns_of_sentence])[sentence_of_pair]
        pairs = np.repeat(np.arange(len(photos)), counts)
        columns = np.concatenate([columns_of_sentence[row] for row in sentence_of_pair.tolist()])
        of_words = self.log_odds[photos[pairs], columns] * self.word_weights[columns]
        said = np.bincount(pairs, of_words, minlength=len(photos))
        absent = self.absent_weight * self.absent_log_odds[photos]
        whole = np.broadcast_to(completeness(text.lengths()), photos.shape)
        return np.asarray(said / whole + whole * absent, dtype=np.float32)

    def per_token(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The log-odds that each of a sentence's word pieces (T,) gives each photo by itself, unweighted: (N, T).

        Zero where a piece has no detector, or has come before.
        """
        added = np.zeros((len(self.log_odds), len(ids)), dtype=np.float32)
        _, first = np.unique(ids, return_index=True)
        for place in first.tolist():
            added[:, place] = self.log_odds[:, self._columns(ids[place : place + 1])].sum(axis=1)
        return added

    @staticmethod
    def joined(pieces: Sequence[DetectedWords]) -> DetectedWords:
        """The photos of all `pieces`, which the same detectors read, one after the other."""
        return replace(
            pieces[0],
            log_odds=np.concatenate([piece.log_odds for piece in pieces]),
            absent_log_odds=np.concatenate([piece.absent_log_odds for piece in pieces]),
        )

    def part(self, first: int, end: int) -> DetectedWords:
        """The photos from `first` to before `end`."""
        return replace(self, log_odds=self.log_odds[first:end], absent_log_odds=self.absent_log_odds[first:end])

    def _columns(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The detectors of a sentence's words, each once."""
        return np.flatnonzero(np.isin(self.ids, ids))


@dataclass(frozen=True)
class WordDetectors:
    """The detectors of V words, kept beside the weights; V is 0 where none were learned."""

    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(V,) The word pieces, ascending."""
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    """(V, C)"""
    bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,)"""
    prior_logits: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,) The logit of each word for any photo."""
    word_weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,) How much each word counts in the log-odds of a sentence; 1 where nothing was learned (`word_weights`)."""
    absent_weight: float = field(default=1.0, kw_only=True)
    """How much the words count there that are left out."""

    def __post_init__(self) -> None:
        if not len(self.word_weights):
            object.__setattr__(self, "word_weights", np.ones(len(self.ids), dtype=np.float32))

    def detect(self, pooled_features: NDArray[np.float32]) -> DetectedWords:
        """What the detectors say of photos, from their pooled features (N, C).

        Raises WeightsError when the detectors were learned with another network.
        """
        count, width = pooled_features.shape
        if not len(self.ids):
            return self._detected(np.zeros((count, 0), dtype=np.float32), np.zeros(count, dtype=np.float32))
        if width != self.weights.shape[1]:
            raise WeightsError(
                f"the word detectors were learned from {self.weights.shape[1]:,} features of a photo, these weights "
                f"have {width:,}: learn them anew with `pixelseek model calibrate` and train photos."
            )
        logits = power_normalize(pooled_features) @ self.weights.T + self.bias  # (N, V)
        absent = _log_one_minus_sigmoid(logits) - _log_one_minus_sigmoid(self.prior_logits)
        return self._detected(logits - self.prior_logits, absent.sum(axis=1))

    def shares(self, cells: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """How much of the log-odds of a sentence's word pieces (T,) comes from each cell (P, C) of a photo: (T, P).

        A detector adds up weight times square root of each pooled feature, and such a feature is the mean of a channel
        over the cells. So each channel's summand is divided among the cells in proportion to what they have of that
        channel (a class activation map). The shares of a word add up to its logit less the bias. Zero where a piece has
        no detector, or has come before.
        """
        shares = np.zeros((len(ids), len(cells)), dtype=np.float32)
        root = np.sqrt(np.abs(cells.mean(axis=0)))  # (C,)
        parts = np.divide(cells, len(cells) * root, out=np.zeros_like(cells), where=root > 0)  # (P, C)
        for place in np.unique(ids, return_index=True)[1].tolist():
            shares[place] = (self.weights[self.ids == ids[place]] @ parts.T).sum(axis=0)
        return shares

    def prior_log_odds(self, text: EncodedText) -> NDArray[np.float32]:
        """How usual the words of B sentences are (B,): the sum of their prior logits, weighed as in the log-odds.

        0 where no word has a detector. The more negative, the fewer photos a sentence is about.
        """
        if not len(self.ids) or not text.word_ids:
            return np.zeros(len(text.embeddings), dtype=np.float32)
        used = [np.isin(self.ids, ids) for ids in text.word_ids]
        sums = np.array([self.word_weights[columns] @ self.prior_logits[columns] for columns in used])
        return np.asarray(sums / completeness(text.lengths()), dtype=np.float32)

    def of_sentences(self, word_ids: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The detectors of the words of B sentences, each word counted once, as one classifier (B, C) and bias (B,).

        For a photo it gives `DetectedWords.sentence_log_odds`, but for the absent log-odds of the photo.
        """
        weights = np.zeros((len(word_ids), self.weights.shape[1]), dtype=np.float32)
        biases = np.zeros(len(word_ids), dtype=np.float32)
        for row, ids in enumerate(word_ids):
            used = np.isin(self.ids, ids)
            weights[row] = self.word_weights[used] @ self.weights[used]
            biases[row] = self.word_weights[used] @ (self.bias[used] - self.prior_logits[used])
        return weights, biases

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """Those in a NumPy archive. Raises KeyError, ValueError or BadZipFile when it holds none."""
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name_in_file] for name, name_in_file in _NAMES_IN_FILE.items()}
            ones = np.ones(len(arrays["ids"]), dtype=np.float32), np.float64(1.0)
            word_weights, absent_weight = (
                archive.get(name, default) for name, default in zip(_WEIGHTS_IN_FILE, ones, strict=True)
            )
        arrays["word_weights"] = word_weights
        if not _fits(arrays) or absent_weight.shape != () or not np.isfinite(absent_weight):
            raise ValueError("it does not hold word detectors")
        floats = [arrays[name].astype(np.float32) for name in ("weights", "bias", "prior_logits", "word_weights")]
        return cls(arrays["ids"], *floats, absent_weight=float(absent_weight))

    def write(self, file: BinaryIO) -> None:
        """Write them, the weights as float16."""
        arrays = {**vars(self), "weights": self.weights.astype(np.float16)}
        np.savez(file, allow_pickle=False, **{_NAMES_IN_FILE.get(name, name): array for name, array in arrays.items()})

    def _detected(self, log_odds: NDArray[np.float32], absent: NDArray[np.float32]) -> DetectedWords:
        return DetectedWords(self.ids, log_odds, absent, self.word_weights, self.absent_weight)


def _fits(arrays: dict[str, Any]) -> bool:
    floats = [arrays[name] for name in ("weights", "bias", "prior_logits", "word_weights")]
    count = len(arrays["ids"]) if arrays["ids"].ndim == 1 else -1
    return (
        arrays["ids"].dtype == np.int64
        and bool((np.diff(arrays["ids"]) > 0).all())
        and arrays["weights"].ndim == 2
        and all(array.dtype.kind == "f" and np.isfinite(array).all() for array in floats)
        and all(arrays[name].shape == (count,) for name in ("bias", "prior_logits", "word_weights"))
        and len(arrays["weights"]) == count
    )


def _log_one_minus_sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """log(1 - sigmoid(logits)), elementwise."""
    return -np.logaddexp(np.float32(0.0), logits)
