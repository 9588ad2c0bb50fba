"""Word evidence: which words people use of a photo like this one, and so how likely a sentence is to be about it.

A linear classifier for each word reads what the pixel features have in common, learned from captions; such word
detectors are those of Fang et al., "From Captions to Visual Concepts and Back" (arXiv 1411.4952). Naive Bayes makes
evidence of them: the logarithm of how much likelier the words of a sentence are about this photo than about any.
Each word of each caption teaches, where ITM learns one bit from a pair: it takes far fewer photos to learn.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model.atomic import replacing
from model.batching import distinct
from model.runtime import EncodedText
from model.weights import WeightsError

FILE = "word_evidence.npz"
_LARGEST_BYTES = 256 << 20


def pooled(pixel_features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the classifiers read of a photo's pixel features (P, D): their mean, maximum, minimum and spread (4 D,)."""
    f = pixel_features
    return np.concatenate([f.mean(axis=0), f.max(axis=0), f.min(axis=0), f.std(axis=0)])


@dataclass(frozen=True)
class WordEvidence:
    """The classifiers of V words, kept beside the weights; of none where none were learned."""

    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(V,) The word pieces, ascending."""
    weights: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    """(V, 4 D)"""
    bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,)"""
    usual: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    """(V,) The logit of each word for any photo."""
    scale: float = 1.0
    """How much the evidence counts beside an ITM logit; fitted on dev photos."""

    def of(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The evidence (B,), not scaled, that sentence i is about photo i (P, D); one sentence goes with every photo.

        Positive where it speaks for the pair. Words without a classifier count for nothing.
        """
        count = len(pixel_features)
        if not count or not len(self.ids) or not text.word_ids:
            return np.zeros(count, dtype=np.float32)
        photos, photo = distinct(pixel_features)
        sentences, sentence = distinct(text.word_ids)
        logits = np.stack([pooled(one) for one in photos]) @ self.weights.T + self.bias  # (N, V)
        said = logits - self.usual
        unsaid = (_log_one_less(logits) - _log_one_less(self.usual)).sum(axis=1, dtype=np.float64)  # (N,)
        words = [self._columns(ids) for ids in sentences]
        mine = np.broadcast_to(sentence, (count,))
        lengths = np.array([len(columns) for columns in words])[mine]
        pairs = np.repeat(np.arange(count), lengths)
        columns = np.concatenate([words[row] for row in mine])
        evidence = np.bincount(pairs, said[photo[pairs], columns], minlength=count) + unsaid[photo]
        return np.asarray(evidence, dtype=np.float32)

    def scaled(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The evidence (B,) as it is added to ITM logits."""
        return np.float32(self.scale) * self.of(text, pixel_features)

    def _columns(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classifiers of a sentence's words, each once."""
        distinct = np.unique(ids)
        places = np.minimum(np.searchsorted(self.ids, distinct), len(self.ids) - 1)
        found: NDArray[np.int64] = places[self.ids[places] == distinct]
        return found

    @classmethod
    def load(cls, weights: Path) -> Self:
        """Those in folder `weights`. Raises WeightsError when they cannot be read."""
        path = weights / FILE
        if not path.exists():
            return cls()
        remedy = "Make it anew with `pixelseek calibrate`."
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                raise WeightsError(f"{path} is larger than any word classifiers. {remedy}")
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                read = {name: arrays[name] for name in ("ids", "weights", "bias", "usual", "scale")}
        except (EOFError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{path} cannot be read: {error}. {remedy}") from error
        if not _fits(read):
            raise WeightsError(f"{path} does not hold word classifiers. {remedy}")
        floats = {name: read[name].astype(np.float32) for name in ("weights", "bias", "usual")}
        return cls(ids=read["ids"], scale=float(read["scale"]), **floats)

    def save(self, weights: Path) -> None:
        """Write them into folder `weights`, as float16."""
        with replacing(weights / FILE) as new, new.open("wb") as file:
            np.savez(
                file,
                ids=self.ids,
                weights=self.weights.astype(np.float16),
                bias=self.bias,
                usual=self.usual,
                scale=np.float64(self.scale),
            )


def _fits(read: dict[str, Any]) -> bool:
    count = len(read["ids"]) if read["ids"].ndim == 1 else -1
    return (
        read["ids"].dtype == np.int64
        and bool((np.diff(read["ids"]) > 0).all())
        and read["weights"].ndim == 2
        and read["scale"].shape == ()
        and all(read[name].dtype.kind == "f" and np.isfinite(read[name]).all() for name in ("weights", "scale"))
        and all(read[name].dtype.kind == "f" and read[name].shape == (count,) for name in ("bias", "usual"))
        and len(read["weights"]) == count
    )


def _log_one_less(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """log(1 - sigmoid(logits)), elementwise."""
    return -np.logaddexp(np.float32(0.0), logits)
