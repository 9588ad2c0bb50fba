"""What goes through the network together: photos of one size, and pairs of like length padded to the longest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.runtime.protocol import EncodedText


@dataclass(frozen=True)
class Padded:
    """One side of B pairs."""

    states: NDArray[np.float32]
    """(B, T, D), 0 where there is no token."""
    mask: NDArray[np.bool_]
    """(B, T), True on tokens."""


def rows_by_size(images: Sequence[NDArray[np.uint8]]) -> list[list[int]]:
    """The rows of the photos (H, W, 3) of each size: together, no padding ever touches one."""
    sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        sizes[image.shape].append(row)
    return list(sizes.values())


def distinct(arrays: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """Each array once, however often it is named, and which of them stands at each place (B,)."""
    indices: dict[int, int] = {}
    held = list(arrays)  # while they are, an id is that of one array only
    rows = np.array([indices.setdefault(id(array), len(indices)) for array in held], dtype=np.int64)
    _, first = np.unique(rows, return_index=True)
    return [held[row] for row in first], rows


def batches(
    text: EncodedText, pixel_features: Sequence[NDArray[np.float32]], size: int
) -> Iterator[tuple[list[int], Padded, Padded]]:
    """The rows, words and pixels of up to `size` pairs at a time; one sentence goes with every photo.

    Raises ValueError when there are several sentences, but not as many as photos.
    """
    check_pairs(text, pixel_features)
    words = text.word_features * len(pixel_features) if len(text) == 1 else text.word_features
    order = sorted(range(len(words)), key=lambda row: (len(pixel_features[row]), len(words[row])))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield rows, pad([words[row] for row in rows]), pad([pixel_features[row] for row in rows])


def check_pairs(text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> None:
    """Raise ValueError when there are several sentences, but not as many as photos."""
    if len(text) not in (1, len(pixel_features)):
        raise ValueError(f"{len(text)} sentences cannot be matched with {len(pixel_features)} photos")


def examples(
    text: EncodedText, photos: Sequence[Sequence[NDArray[np.float32]]], size: int
) -> Iterator[tuple[slice, Padded, list[Padded]]]:
    """The rows, words and pixels of up to `size` sentences at a time, each with its photo from every list of `photos`.

    Raises ValueError when there are not as many sentences as photos in each list.
    """
    if any(len(features) != len(text) for features in photos):
        raise ValueError(
            f"{len(text)} sentences cannot be read with {', '.join(str(len(features)) for features in photos)} photos"
        )
    for start in range(0, len(text), size):
        rows = slice(start, start + size)
        yield rows, pad(text.word_features[rows]), [pad(features[rows]) for features in photos]


def cut(maps: NDArray[np.float32], words: Padded, pixels: Padded) -> list[NDArray[np.float32]]:
    """What is left of B maps (B, ..., T + P, T + P) without the padding."""
    masks = np.concatenate([words.mask, pixels.mask], axis=1)
    return [full[..., mask, :][..., mask] for full, mask in zip(maps, masks, strict=True)]


def pad(states: Sequence[NDArray[np.float32]]) -> Padded:
    """B arrays (T, D) as one, padded to the longest."""
    longest = max(len(state) for state in states)
    padded = np.zeros((len(states), longest, states[0].shape[1]), dtype=np.float32)
    mask = np.zeros((len(states), longest), dtype=np.bool_)
    for row, state in enumerate(states):
        padded[row, : len(state)] = state
        mask[row, : len(state)] = True
    return Padded(padded, mask)
