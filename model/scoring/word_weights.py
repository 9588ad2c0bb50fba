"""Weights of word detectors, learned from what detectors say of photos that they have not seen (cross-fitting).

A detector knows its own train photos too well to judge by them what it is worth. So detectors learned on four fifths
of the photos score the other fifth. Each caption gets a list of the photos there that fit it best by their log-odds,
its own among them, and the weights are those that bring the right photo to the first place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.scoring.word_detectors import WordDetectors
from model.scoring.word_learning import learn_detectors

_FOLDS = 5
_CANDIDATES = 32
_EPOCHS, _BATCH = 6, 256
_WORD_LR, _SCALE_LR, _WEIGHT_DECAY = 0.02, 0.01, 1e-3
_NEVER = -1e6  # the absent log-odds of a candidate that is none


@dataclass(frozen=True)
class HardList:
    """The K photos that fit a caption best, as detectors that have seen none of them say."""

    words: NDArray[np.int64]
    """(W,) The word pieces of the caption that have a detector."""
    log_odds: NDArray[np.float32]
    """(K, W)"""
    absent_log_odds: NDArray[np.float32]
    """(K,)"""
    right: int
    """Which of them is the caption's own."""


def learn_weighted_detectors(
    pooled_features: NDArray[np.float32],
    captions: Sequence[Sequence[NDArray[np.int64]]],
    *,
    seed: int = 0,
    progress: bool = True,
) -> WordDetectors:
    """Word detectors as `learn_detectors` makes them, with weights learned on lists of photos that were held out."""
    fold_of = np.random.default_rng(seed).integers(0, _FOLDS, len(captions))
    lists: list[HardList] = []
    for fold in range(_FOLDS):
        inside, outside = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        if len(inside) and len(outside) > 1:
            of_inside = [captions[row] for row in inside.tolist()]
            detectors = learn_detectors(pooled_features[inside], of_inside, seed=seed, progress=progress)
            lists += hard_lists(detectors, pooled_features[outside], [captions[row] for row in outside.tolist()])
    return weighted(learn_detectors(pooled_features, captions, seed=seed, progress=progress), lists, seed=seed)


def hard_lists(
    detectors: WordDetectors,
    pooled_features: NDArray[np.float32],
    captions: Sequence[Sequence[NDArray[np.int64]]],
) -> Iterator[HardList]:
    """The lists of captions of N photos (N, C), where their own photo is among them."""
    detected = detectors.detect(pooled_features)
    log_odds, absent = np.ascontiguousarray(detected.log_odds.T), detected.absent_log_odds  # (V, N), (N,)
    count = min(_CANDIDATES, len(absent))
    for own, of_photo in enumerate(captions):
        for ids in of_photo:
            rows = np.flatnonzero(np.isin(detectors.ids, ids))
            of_words = log_odds[rows]  # (W, N)
            candidates = np.argpartition(-(of_words.sum(axis=0) + absent), count - 1)[:count]
            place = np.flatnonzero(candidates == own)
            if len(rows) and len(place):
                yield HardList(detectors.ids[rows], of_words[:, candidates].T, absent[candidates], int(place[0]))


def weighted(detectors: WordDetectors, lists: Sequence[HardList], *, seed: int = 0) -> WordDetectors:
    """The detectors with weights that bring the right photo of each list to the first place (cross-entropy).

    A word that is in no list keeps the weight 1.
    """
    if not lists or not len(detectors.ids):
        return detectors
    torch.manual_seed(seed)
    words, log_odds, absent, right = _padded(lists)
    changes = torch.zeros(int(max(words.max(), detectors.ids.max())) + 1, requires_grad=True)
    absent_change, log_scale = torch.zeros((), requires_grad=True), torch.tensor(-1.0, requires_grad=True)
    optimizer = torch.optim.Adam(
        [{"params": [changes], "lr": _WORD_LR}, {"params": [absent_change, log_scale], "lr": _SCALE_LR}]
    )
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(right)).split(_BATCH):
            of_words = ((1 + changes[words[batch]])[:, None] * log_odds[batch].float()).sum(dim=2)  # (B, K)
            scores = log_scale.exp() * (of_words + (1 + absent_change) * absent[batch])
            decay = changes[words[batch].unique()].square().mean()
            loss = functional.cross_entropy(scores, right[batch]) + _WEIGHT_DECAY * decay
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    word_weights = 1 + changes.detach().numpy()[detectors.ids]
    return replace(detectors, word_weights=word_weights, absent_weight=1 + float(absent_change.detach()))


def _padded(lists: Sequence[HardList]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Words (L, W), log-odds (L, K, W), absent log-odds (L, K) and right photos (L,): padding counts for nothing."""
    width, count = (max(getattr(row, name).shape[0] for row in lists) for name in ("words", "absent_log_odds"))
    words = torch.zeros((len(lists), width), dtype=torch.int64)
    log_odds = torch.zeros((len(lists), count, width), dtype=torch.float16)
    absent = torch.full((len(lists), count), _NEVER)
    for row, candidates in enumerate(lists):
        photos, used = candidates.log_odds.shape
        words[row, :used] = torch.from_numpy(candidates.words)
        log_odds[row, :photos, :used] = torch.from_numpy(candidates.log_odds)
        absent[row, :photos] = torch.from_numpy(candidates.absent_log_odds)
    return words, log_odds, absent, torch.tensor([candidates.right for candidates in lists])
