"""Which photos have captions alike: negatives that take more than the words both share to be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

_WORDS = 2000  # the commonest word pieces: rarer ones are too few to bring photos together
_ROWS = 1024


def neighbours(captions: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    """For each of N photos the `count` others (N, count) whose captions are most alike, nearest first.

    `captions` holds the tokens of every photo's captions, in arrays of any shape. A photo is the set of its tokens,
    each of which weighs the more the fewer photos have it (the logarithm of inverse document frequency, so that
    padding and special tokens weigh nothing), and the cosine compares. Fewer than `count` where there are not so many.
    """
    tokens = [np.unique(some) for some in captions]
    frequency = np.bincount(np.concatenate(tokens))
    commonest = np.argsort(-frequency, kind="stable")[:_WORDS]
    column = np.full(len(frequency), -1)
    column[commonest] = np.arange(len(commonest))
    photos = torch.zeros(len(tokens), len(commonest))
    for row, some in enumerate(tokens):
        columns = column[some]
        photos[row, columns[columns >= 0]] = 1.0
    weights = torch.from_numpy(np.log(len(tokens) / np.maximum(frequency[commonest], 1))).float()
    photos = torch.nn.functional.normalize(photos * weights, dim=1)
    found = []
    for start in range(0, len(photos), _ROWS):
        similarities = photos[start : start + _ROWS] @ photos.T
        rows = torch.arange(len(similarities))
        similarities[rows, start + rows] = -1.0
        found.append(similarities.topk(min(count, len(photos) - 1)).indices)
    return torch.cat(found).numpy()


def groups(random: np.random.Generator, near: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """All photos once, in groups of at most `size`: one drawn at random, and some of those `near` (N, K) it that are
    in no group yet."""
    taken = np.zeros(len(near), dtype=np.bool_)
    found = []
    for row in random.permutation(len(near)):
        if not taken[row]:
            taken[row] = True
            free = near[row][~taken[near[row]]]
            beside = random.permutation(free)[: size - 1]
            taken[beside] = True
            found.append(np.concatenate([[row], beside]))
    return found
