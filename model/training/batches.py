"""Which photos each step sees, and with which of their captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.training.alike import groups

_BUCKET = 8  # batches whose captions are sorted by length together


class Batches:
    """Every photo once an epoch, with some of its captions drawn at random; captions of like length together.

    A batch is padded to its longest caption, and every token costs: with captions as they come, half of
    the words the network reads would be padding. What a step sees follows from `seed` and its number.

    The photos are those called `numbers` (N,) by the caller, 0, 1, ... unless given; `lengths` and `near` go by their
    places. With `near` (N, K), the photos near each, batches are made of groups of `alike` such photos (as GRIT-VLP,
    arXiv 2208.04060, makes them), and it is groups of like length that come together.
    """

    def __init__(
        self,
        lengths: Sequence[NDArray[np.int64]],
        batch_size: int,
        seed: int,
        captions: int = 1,
        *,
        numbers: NDArray[np.int64] | None = None,
        alike: int = 1,
        near: NDArray[np.int64] | None = None,
    ) -> None:
        self._lengths = lengths  # of each photo: the tokens in each of its captions
        self._numbers = np.arange(len(lengths)) if numbers is None else numbers
        self._size = min(batch_size, len(lengths))
        self._seed = seed
        self._captions = captions
        self._alike = alike
        self._near = np.empty((len(lengths), 0), dtype=np.int64) if near is None else near
        self._epoch: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Steps in an epoch. What does not fill a batch is left out, other photos each epoch."""
        return len(self._lengths) // self._size

    def __getitem__(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Photos (B,) of step 0, 1, ..., and for each the numbers of its captions (B, C)."""
        epoch, index = divmod(step, len(self))
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, *self._draw(epoch))
        _, rows, captions = self._epoch
        return rows[index], captions[index]

    def _draw(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        random = np.random.default_rng([self._seed, epoch])
        together = groups(random, self._near, self._alike)
        rows = np.concatenate(together)[: len(self) * self._size]
        group = np.repeat(np.arange(len(together)), [len(some) for some in together])[: len(rows)]
        captions = np.stack([_some(random, len(self._lengths[row]), self._captions) for row in rows])
        lengths = np.array([self._lengths[row][caption] for row, caption in zip(rows, captions[:, 0], strict=True)])
        lengths = np.maximum.reduceat(lengths, np.flatnonzero(np.diff(group, prepend=-1)))[group]
        bucket = np.arange(len(rows)) // (self._size * _BUCKET)
        order = np.lexsort((group, lengths, bucket)).reshape(len(self), self._size)
        order = order[random.permutation(len(self))]
        return self._numbers[rows[order]], captions[order]


def _some(random: np.random.Generator, captions: int, count: int) -> NDArray[np.int64]:
    """`count` numbers below `captions`, in random order, none a second time before all have come."""
    rounds = [random.permutation(captions) for _ in range(-(-count // captions))]
    return np.concatenate(rounds)[:count]
