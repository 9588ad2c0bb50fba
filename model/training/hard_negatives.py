"""Groups of photos with similar captions: in one batch they are hard negatives of each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.processor import TextInputs

_MAX_WORDS = 2000  # the most frequent word pieces: rarer ones connect too few photos
_ROWS = 1024  # of the similarity matrix at a time


def nearest_photos(captions: Sequence[TextInputs], count: int) -> NDArray[np.int64]:
    """For each of N photos the `count` others (N, count) with the most similar captions, nearest first.

    `captions` holds the tokenized captions of each photo. The similarity is the cosine of tf-idf vectors: each token of
    a photo has the logarithm of its inverse document frequency as weight, so that special tokens weigh nothing. Padding
    is not counted: photos whose captions differ in length would be alike. Fewer than `count` columns where there are
    fewer photos.
    """
    tokens = [np.unique(text["input_ids"][text["attention_mask"]]) for text in captions]
    frequency = np.bincount(np.concatenate(tokens))
    frequent = np.argsort(-frequency, kind="stable")[:_MAX_WORDS]
    column = np.full(len(frequency), -1)
    column[frequent] = np.arange(len(frequent))
    vectors = torch.zeros(len(tokens), len(frequent))
    for row, ids in enumerate(tokens):
        columns = column[ids]
        vectors[row, columns[columns >= 0]] = 1.0
    weights = torch.from_numpy(np.log(len(tokens) / np.maximum(frequency[frequent], 1))).float()
    vectors = torch.nn.functional.normalize(vectors * weights, dim=1)
    nearest = []
    for start in range(0, len(vectors), _ROWS):
        similarities = vectors[start : start + _ROWS] @ vectors.T
        rows = torch.arange(len(similarities))
        similarities[rows, start + rows] = -1.0
        nearest.append(similarities.topk(min(count, len(vectors) - 1)).indices)
    return torch.cat(nearest).numpy()


def draw_groups(random: np.random.Generator, nearest: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """All N photos once, in groups of at most `size`.

    Each group is a random photo and a random choice of its `nearest` (N, K) that are in no group yet.
    """
    grouped = np.zeros(len(nearest), dtype=np.bool_)
    groups = []
    for row in random.permutation(len(nearest)):
        if not grouped[row]:
            grouped[row] = True
            free = nearest[row][~grouped[nearest[row]]]
            others = random.permutation(free)[: size - 1]
            grouped[others] = True
            groups.append(np.concatenate([[row], others]))
    return groups
