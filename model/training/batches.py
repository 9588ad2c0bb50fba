"""The photos and captions of each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.training.hard_negatives import draw_groups

_BATCHES_PER_BUCKET = 8  # batches whose captions are sorted by length together


class Batches:
    """Each photo once an epoch, with randomly drawn captions; captions of similar length share a batch.

    A batch is padded to its longest caption, and every token costs time: with captions in random order, half of the
    tokens would be padding. The batch of a step follows from `seed` and the number of the step.

    `caption_lengths` are the numbers of tokens of each photo's captions. Photos are called 0, 1, ..., or by `photo_ids`
    (N,). With `nearest` (N, K) a batch consists of groups of `group_size` similar photos (GRIT-VLP, arXiv 2208.04060),
    and groups are sorted by length in place of photos.
    """

    def __init__(
        self,
        caption_lengths: Sequence[NDArray[np.int64]],
        batch_size: int,
        seed: int,
        captions_per_photo: int = 1,
        *,
        photo_ids: NDArray[np.int64] | None = None,
        group_size: int = 1,
        nearest: NDArray[np.int64] | None = None,
    ) -> None:
        count = len(caption_lengths)
        self._lengths = caption_lengths
        self._photo_ids = np.arange(count) if photo_ids is None else photo_ids
        self._size = min(batch_size, count)
        self._seed = seed
        self._captions_per_photo = captions_per_photo
        self._group_size = group_size
        self._nearest = np.empty((count, 0), dtype=np.int64) if nearest is None else nearest
        self._epoch: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Steps in an epoch. Photos that do not fill a batch are left out, other ones in each epoch."""
        return len(self._lengths) // self._size

    def __getitem__(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The photos (B,) of step 0, 1, ..., and the indices of each photo's captions (B, C)."""
        epoch, index = divmod(step, len(self))
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, *self._draw(epoch))
        _, photos, captions = self._epoch
        return photos[index], captions[index]

    def _draw(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        random = np.random.default_rng([self._seed, epoch])
        groups = draw_groups(random, self._nearest, self._group_size)
        rows = np.concatenate(groups)[: len(self) * self._size]
        group = np.repeat(np.arange(len(groups)), [len(members) for members in groups])[: len(rows)]
        captions = np.stack([_draw_captions(random, len(self._lengths[row]), self._captions_per_photo) for row in rows])
        lengths = np.array([self._lengths[row][caption] for row, caption in zip(rows, captions[:, 0], strict=True)])
        group_lengths = np.maximum.reduceat(lengths, np.flatnonzero(np.diff(group, prepend=-1)))[group]
        bucket = np.arange(len(rows)) // (self._size * _BATCHES_PER_BUCKET)
        order = np.lexsort((group, group_lengths, bucket)).reshape(len(self), self._size)
        order = order[random.permutation(len(self))]
        return self._photo_ids[rows[order]], captions[order]


def _draw_captions(random: np.random.Generator, captions: int, count: int) -> NDArray[np.int64]:
    """`count` numbers below `captions`, in random order; none is drawn again before all have been drawn."""
    rounds = [random.permutation(captions) for _ in range(-(-count // captions))]
    return np.concatenate(rounds)[:count]
