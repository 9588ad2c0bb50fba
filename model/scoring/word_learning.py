"""Learn which words people use of a photo, from what a finished network's CNN makes of it."""

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

_MIN_PHOTOS = 10  # photos that a word is used of
_MAX_SHARE = 0.9  # of the photos: a word that is used of nearly all tells nothing
_EPOCHS, _BATCH, _LR, _WEIGHT_DECAY, _DROPOUT = 10, 128, 1e-3, 0.01, 0.3
_MIN_SHARE = 1e-5
_EPSILON = 1e-6  # below what a feature is worth telling from zero: the root of zero has no gradient


class WordHead(nn.Module):
    """A linear classifier for each of V words, which reads rooted and standardised pooled features."""

    ids: Tensor  # (V,)
    prior_logits: Tensor  # (V,)
    centre: Tensor  # (C,)
    spread: Tensor  # (C,)

    def __init__(
        self, ids: NDArray[np.int64], shares: NDArray[np.float32], pooled_features: NDArray[np.float32]
    ) -> None:
        """Classifiers of the word pieces `ids` (V,), which know no more than how usual each is.

        `shares` (N, V) are of N photos' captions; features are standardised as `pooled_features` (M, C) say.
        """
        super().__init__()
        read = torch.from_numpy(power_normalize(pooled_features))
        self.register_buffer("ids", torch.from_numpy(ids))
        self.register_buffer("prior_logits", torch.from_numpy(shares).mean(dim=0).clamp(min=_MIN_SHARE).logit())
        self.register_buffer("centre", read.mean(dim=0))
        self.register_buffer("spread", read.std(dim=0, correction=0) + 1e-3)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classifiers = nn.Linear(read.shape[1], len(ids))
        nn.init.normal_(self.classifiers.weight, std=0.01)
        with torch.no_grad():
            self.classifiers.bias.copy_(self.prior_logits)

    def forward(self, pooled_features: Tensor) -> Tensor:
        """Pooled features (B, C) -> logits (B, V)."""
        read = pooled_features.sign() * (pooled_features.abs() + _EPSILON).sqrt()
        logits: Tensor = self.classifiers(self.dropout((read - self.centre) / self.spread))
        return logits

    def chance_loss(self) -> float:
        """The loss, in nats, of one who knows only how usual each word is."""
        return float(
            functional.binary_cross_entropy_with_logits(self.prior_logits, self.prior_logits.sigmoid(), reduction="sum")
        )

    @torch.no_grad()
    def initialize_from(self, detectors: WordDetectors) -> None:
        """Take over the classifiers of `detectors` for the words that are in both. Their features must be as many."""
        places, theirs = (
            torch.from_numpy(rows) for rows in np.intersect1d(self.ids.numpy(), detectors.ids, return_indices=True)[1:]
        )
        weights = torch.from_numpy(detectors.weights)[theirs]
        self.classifiers.weight[places] = weights * self.spread
        self.classifiers.bias[places] = torch.from_numpy(detectors.bias)[theirs] + weights @ self.centre

    @torch.no_grad()
    def detectors(self) -> WordDetectors:
        """The classifiers as a search reads them."""
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
    """Word classifiers from the pooled features of N photos (N, C) and the word pieces of each of their captions.

    A word is as true of a photo as the share of its captions that use it (binary cross-entropy, summed over words).
    """
    torch.manual_seed(seed)
    ids, shares = used_words(captions)
    if not len(ids):
        return WordDetectors()
    head = WordHead(ids, shares, pooled_features)
    inputs, wanted = torch.from_numpy(pooled_features), torch.from_numpy(shares)
    optimizer = torch.optim.AdamW(head.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = [batch for _ in range(_EPOCHS) for batch in torch.randperm(len(inputs)).split(_BATCH)]
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / len(batches))) / 2)
    for batch in tqdm(batches, desc="words", unit="step", disable=not progress):
        loss = words_loss(head(inputs[batch]), wanted[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    return head.detectors()


def used_words(captions: Sequence[Sequence[NDArray[np.int64]]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The word pieces (V,) worth learning, ascending, and the share of each photo's captions that use them (N, V)."""
    of_photos = [[np.unique(one) for one in some] for some in captions]
    counts = np.bincount(np.concatenate([np.unique(np.concatenate(some)) for some in of_photos]))
    ids = np.flatnonzero((counts >= _MIN_PHOTOS) & (counts < _MAX_SHARE * len(captions)))
    column = np.full(len(counts), -1)
    column[ids] = np.arange(len(ids))
    shares = np.zeros((len(captions), len(ids)), dtype=np.float32)
    for row, some in enumerate(of_photos):
        for one in some:
            used = column[one]
            shares[row, used[used >= 0]] += 1.0 / len(some)
    return ids, shares
