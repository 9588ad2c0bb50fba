"""Train word detectors on the pooled features of a CNN."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from model.network.objectives import words_loss
from model.scoring.word_detectors import WordDetectors, power_normalize

_MIN_PHOTOS = 10  # with captions that use a word, for the word to be learned
_MAX_SHARE = 0.9  # of the photos: a word of nearly all captions separates no photos
_EPOCHS, _BATCH, _LR, _WEIGHT_DECAY, _DROPOUT = 10, 128, 1e-3, 0.01, 0.3
_MIN_SHARE = 1e-5  # of the captions, so that the prior logit is finite
_EPSILON = 1e-6  # added to features: the square root has no gradient at zero


class WordHead(nn.Module):
    """A linear classifier for each of V words. It reads power-normalised and standardised pooled features."""

    ids: Tensor  # (V,)
    prior_logits: Tensor  # (V,)
    centre: Tensor  # (C,)
    spread: Tensor  # (C,)

    def __init__(
        self, ids: NDArray[np.int64], shares: NDArray[np.float32], pooled_features: NDArray[np.float32]
    ) -> None:
        """Classifiers of the word pieces `ids` (V,) that predict the prior of each word.

        `shares` (N, V) is the share of each photo's captions that use a word. Features are standardised by the mean and
        deviation of `pooled_features` (M, C).
        """
        super().__init__()
        features = torch.from_numpy(power_normalize(pooled_features))
        self.register_buffer("ids", torch.from_numpy(ids))
        self.register_buffer("prior_logits", torch.from_numpy(shares).mean(dim=0).clamp(min=_MIN_SHARE).logit())
        self.register_buffer("centre", features.mean(dim=0))
        self.register_buffer("spread", features.std(dim=0, correction=0) + 1e-3)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classifiers = nn.Linear(features.shape[1], len(ids))
        nn.init.normal_(self.classifiers.weight, std=0.01)
        with torch.no_grad():
            self.classifiers.bias.copy_(self.prior_logits)

    def forward(self, pooled_features: Tensor) -> Tensor:
        """Pooled features (B, C) -> logits (B, V)."""
        features = pooled_features.sign() * (pooled_features.abs() + _EPSILON).sqrt()
        logits: Tensor = self.classifiers(self.dropout((features - self.centre) / self.spread))
        return logits

    def chance_loss(self) -> float:
        """The loss, in nats, of predicting the prior of each word for every photo."""
        return float(
            functional.binary_cross_entropy_with_logits(self.prior_logits, self.prior_logits.sigmoid(), reduction="sum")
        )

    @torch.no_grad()
    def initialize_from(self, detectors: WordDetectors) -> None:
        """Take over the classifiers of `detectors` for the words that both have. They must read as many features."""
        own_rows, rows = (
            torch.from_numpy(rows) for rows in np.intersect1d(self.ids.numpy(), detectors.ids, return_indices=True)[1:]
        )
        weights = torch.from_numpy(detectors.weights)[rows]
        self.classifiers.weight[own_rows] = weights * self.spread
        self.classifiers.bias[own_rows] = torch.from_numpy(detectors.bias)[rows] + weights @ self.centre

    @torch.no_grad()
    def detectors(self) -> WordDetectors:
        """The classifiers as a search uses them: standardisation is folded into weights and biases."""
        weights = self.classifiers.weight / self.spread
        bias = self.classifiers.bias - weights @ self.centre
        ids, *floats = (tensor.cpu().numpy() for tensor in (self.ids, weights, bias, self.prior_logits))
        return WordDetectors(ids, *floats)


def learn_detectors(
    pooled_features: NDArray[np.float32],
    captions: Sequence[Sequence[NDArray[np.int64]]],
    *,
    seed: int = 0,
    progress: bool = True,
) -> WordDetectors:
    """Train word detectors on the pooled features of N photos (N, C) and the word pieces of each of their captions.

    The target of a word is the share of the photo's captions that use it (binary cross-entropy, summed over words).
    """
    torch.manual_seed(seed)
    ids, shares = used_words(captions)
    if not len(ids):
        return WordDetectors()
    head = WordHead(ids, shares, pooled_features)
    inputs, targets = torch.from_numpy(pooled_features), torch.from_numpy(shares)
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = [batch for _ in range(_EPOCHS) for batch in torch.randperm(len(inputs)).split(_BATCH)]
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / len(batches))) / 2)
    for batch in tqdm(batches, desc="words", unit="step", disable=not progress):
        loss = words_loss(head(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    return head.detectors()


def used_words(captions: Sequence[Sequence[NDArray[np.int64]]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The word pieces (V,) worth learning, ascending, and the share of each photo's captions that use them (N, V)."""
    pieces = [[np.unique(caption) for caption in of_photo] for of_photo in captions]
    counts = np.bincount(np.concatenate([np.unique(np.concatenate(of_photo)) for of_photo in pieces]))
    ids = np.flatnonzero((counts >= _MIN_PHOTOS) & (counts < _MAX_SHARE * len(captions)))
    column = np.full(len(counts), -1)
    column[ids] = np.arange(len(ids))
    shares = np.zeros((len(captions), len(ids)), dtype=np.float32)
    for row, of_photo in enumerate(pieces):
        for caption in of_photo:
            used = column[caption]
            shares[row, used[used >= 0]] += 1.0 / len(of_photo)
    return ids, shares
