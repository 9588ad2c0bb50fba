"""Digests: by them a run knows what it was begun from, and what it keeps knows what it was made by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from torch import nn

from model.data.shards import CaptionedPhoto

_BYTES = 16


def photos_digest(photos: Iterable[CaptionedPhoto]) -> str:
    """A digest of photos, their order, their data sets and their captions."""
    digest = hashlib.blake2b(digest_size=_BYTES)
    for photo in photos:
        digest.update(repr((photo.key, photo.dataset, photo.captions, len(photo.jpeg))).encode())
        digest.update(photo.jpeg)
    return digest.hexdigest()


def weights_digest(modules: Iterable[nn.Module]) -> str:
    """A digest of the weights of these modules."""
    digest = hashlib.blake2b(digest_size=_BYTES)
    for module in modules:
        for name, tensor in module.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def digest_of(*parts: object) -> str:
    """A digest of values by how Python writes them: of texts, numbers and other digests."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=_BYTES).hexdigest()
