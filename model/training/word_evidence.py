"""Learn which words people use of a photo, from what a finished network's CNN makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import Dropout, Linear, Sequential
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from model.word_evidence import WordEvidence, rooted

_FEWEST = 10  # photos that a word is used of
_MOST = 0.9  # of the photos: a word that is used of nearly all tells nothing
_EPOCHS, _BATCH, _LR, _WEIGHT_DECAY, _DROPOUT = 10, 128, 1e-3, 0.01, 0.3
_RAREST = 1e-5


def learn(
    pooled_features: NDArray[np.float32],
    captions: Sequence[Sequence[NDArray[np.int64]]],
    *,
    seed: int = 0,
    progress: bool = True,
) -> WordEvidence:
    """Word classifiers from the pooled features of N photos (N, C) and the word pieces of each of their captions.

    A word is as true of a photo as the share of its captions that use it (binary cross-entropy, summed over words).
    """
    torch.manual_seed(seed)
    ids, shares = _used(captions)
    if not len(ids):
        return WordEvidence()
    read = rooted(pooled_features)
    centre, spread = read.mean(axis=0), read.std(axis=0) + 1e-3
    inputs = torch.from_numpy((read - centre) / spread)
    wanted = torch.from_numpy(shares)
    usual = wanted.mean(dim=0).clamp(min=_RAREST).logit()
    classifiers = Linear(inputs.shape[1], len(ids))
    torch.nn.init.normal_(classifiers.weight, std=0.01)
    with torch.no_grad():
        classifiers.bias.copy_(usual)
    model = Sequential(Dropout(_DROPOUT), classifiers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LR, weight_decay=_WEIGHT_DECAY)
    batches = [batch for _ in range(_EPOCHS) for batch in torch.randperm(len(inputs)).split(_BATCH)]
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / len(batches))) / 2)
    for batch in tqdm(batches, desc="words", unit="step", disable=not progress):
        loss = binary_cross_entropy_with_logits(model(inputs[batch]), wanted[batch], reduction="sum") / len(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    weights = classifiers.weight.detach().numpy() / spread
    bias = classifiers.bias.detach().numpy() - weights @ centre
    return WordEvidence(ids, weights, bias, usual.numpy())


def _used(captions: Sequence[Sequence[NDArray[np.int64]]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The word pieces (V,) worth learning, ascending, and the share of each photo's captions that use them (N, V)."""
    of_photos = [[np.unique(one) for one in some] for some in captions]
    counts = np.bincount(np.concatenate([np.unique(np.concatenate(some)) for some in of_photos]))
    ids = np.flatnonzero((counts >= _FEWEST) & (counts < _MOST * len(captions)))
    column = np.full(len(counts), -1)
    column[ids] = np.arange(len(ids))
    shares = np.zeros((len(captions), len(ids)), dtype=np.float32)
    for row, some in enumerate(of_photos):
        for one in some:
            used = column[one]
            shares[row, used[used >= 0]] += 1.0 / len(some)
    return ids, shares
