"""A library of random photos, and what an exact search of it finds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.library.view import LibraryView
from tests.indexer.desk import Desk, scribble


def indexed(desk: Desk, photos: int) -> None:
    for seed in range(photos):
        scribble(desk.photos / f"{seed:02}.png", seed)
    desk.index()


def query() -> NDArray[np.float32]:
    vector = np.random.default_rng(5).normal(size=32).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def exact(library: LibraryView) -> tuple[list[int], NDArray[np.float32]]:
    """Ids and similarities as plain numpy gives them, over all encodings."""
    ids = library.encodings.photo_ids()
    similarities = np.stack(list(library.embeddings(ids.tolist()).values())) @ query()
    order = np.argsort(-similarities, kind="stable")
    return ids[order].tolist(), similarities[order]


def assert_exact(library: LibraryView) -> None:
    ids, similarities = library.shortlist(query(), 1000)
    expected_ids, expected_similarities = exact(library)
    assert sorted(ids.tolist()) == sorted(expected_ids)
    np.testing.assert_allclose(similarities, expected_similarities, atol=1e-3)
    assert ids[0] == expected_ids[0]
