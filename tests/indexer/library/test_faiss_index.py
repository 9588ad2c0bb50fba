from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.library.faiss_index import EXACT, MAX_PROPOSED, SearchableIndex, coarse_index_for, new_index
from indexer.library.faiss_store import Snapshot

PHOTOS = 200_000
SIZE = 32
RANDOM = np.random.default_rng(0)


def normalised(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


CENTRES = RANDOM.normal(size=(500, SIZE))
VECTORS = normalised(CENTRES[RANDOM.integers(500, size=PHOTOS)] + 0.7 * RANDOM.normal(size=(PHOTOS, SIZE)))
IDS = RANDOM.permutation(2 * PHOTOS)[:PHOTOS].astype(np.int64)
QUERIES = normalised(CENTRES[:20] + RANDOM.normal(size=(20, SIZE)))


def built(factory: str) -> SearchableIndex:
    index, training = new_index(SIZE, factory, PHOTOS)
    if training:
        index.train(VECTORS[:training])
    index.add_with_ids(VECTORS, IDS)
    return SearchableIndex(index)


@pytest.fixture(scope="module")
def snapshot_of() -> Callable[[str], Snapshot]:
    known: dict[str, Snapshot] = {}

    def make(factory: str) -> Snapshot:
        if factory not in known:
            none = np.empty(0, dtype=np.int64)
            known[factory] = Snapshot(built(factory), None, None, None, none, np.empty((0, SIZE), dtype=np.float16))
        return known[factory]

    return make


COARSE = coarse_index_for(PHOTOS)


def true_order(query: NDArray[np.float32], among: NDArray[np.int64] | None = None) -> list[int]:
    """By plain numpy, on the embeddings as the index keeps them."""
    similarities = np.einsum("ij,j->i", VECTORS.astype(np.float16).astype(np.float32), query)
    rows = np.lexsort((IDS, -similarities))
    order: list[int] = IDS[rows if among is None else rows[np.isin(IDS[rows], among)]].tolist()
    return order


def test_the_index_goes_by_the_number_of_photos() -> None:
    assert [coarse_index_for(count) for count in (1, 50_000, 50_001, 1_000_000)] == [
        EXACT,
        EXACT,
        "IVF512,RaBitQfs",
        "IVF2048,RaBitQfs",
    ]


@pytest.mark.parametrize("factory", [EXACT, COARSE])
def test_of_a_filter_that_keeps_one_photo_in_a_thousand_the_true_nearest_come_back(
    snapshot_of: Callable[[str], Snapshot], factory: str
) -> None:
    for query in QUERIES:
        among = RANDOM.choice(IDS, PHOTOS // 1000, replace=False)
        assert snapshot_of(factory).nearest(query, 20, among)[0].tolist() == true_order(query, among)[:20]


@pytest.mark.parametrize("kept", [PHOTOS, PHOTOS // 3])
def test_a_coarse_index_finds_nearly_all_that_comparing_every_photo_finds(
    snapshot_of: Callable[[str], Snapshot], kept: int
) -> None:
    among = None if kept == PHOTOS else RANDOM.choice(IDS, kept, replace=False)
    shares = []
    for query in QUERIES:
        ids, _ = snapshot_of(COARSE).nearest(query, 64, among)
        assert len(ids) == 64
        assert among is None or np.isin(ids, among).all()
        shares.append(np.isin(ids, true_order(query, among)[:64]).mean())
    assert np.mean(shares) > 0.95


def test_a_similarity_is_the_same_whatever_the_index(snapshot_of: Callable[[str], Snapshot]) -> None:
    for query in QUERIES:
        ids, similarities = snapshot_of(COARSE).nearest(query, 64)
        again, exact = snapshot_of(EXACT).nearest(query, 64, ids)
        assert (again.tolist(), exact.tolist()) == (ids.tolist(), similarities.tolist())


def test_photos_beyond_the_proposals_come_from_comparing_every_photo(
    snapshot_of: Callable[[str], Snapshot],
) -> None:
    for query in QUERIES:
        first = snapshot_of(COARSE).nearest(query, MAX_PROPOSED)[0].tolist()
        after = [photo_id for photo_id in true_order(query) if photo_id not in first]
        for more in (1, 50, 500):
            ids = snapshot_of(COARSE).nearest(query, MAX_PROPOSED + more)[0].tolist()
            assert ids == first + after[:more]


@pytest.mark.parametrize("factory", [EXACT, COARSE])
@pytest.mark.parametrize("kept", [PHOTOS, PHOTOS // 3, 1000, 150])
def test_the_first_photos_are_the_same_however_many_are_asked_for(
    snapshot_of: Callable[[str], Snapshot], factory: str, kept: int
) -> None:
    among = None if kept == PHOTOS else RANDOM.choice(IDS, kept, replace=False)
    for query in QUERIES[:3]:
        everything = snapshot_of(factory).nearest(query, 1000, among)[0].tolist()
        for count in (1, 10, 127, 128, 129, 200, 512, 513):
            assert snapshot_of(factory).nearest(query, count, among)[0].tolist() == everything[:count]


@pytest.mark.parametrize("copies", [3, 40, 700])
def test_of_photos_that_are_alike_the_first_by_id_come_first_however_many_are_asked_for(copies: int) -> None:
    """FAISS itself takes any of them."""
    vectors = normalised(RANDOM.normal(size=(1000, SIZE)))
    vectors[RANDOM.permutation(1000)[:copies]] = QUERIES[0]
    ids = RANDOM.permutation(5000)[:1000].astype(np.int64)
    index, _ = new_index(SIZE, EXACT, 1000)
    index.add_with_ids(vectors[:900], ids[:900])
    newer = vectors[900:].astype(np.float16)
    snapshot = Snapshot(SearchableIndex(index), None, None, None, ids[900:], newer)
    alike = sorted(ids[(vectors == QUERIES[0]).all(axis=1)].tolist())
    everything = snapshot.nearest(QUERIES[0], 1000)[0].tolist()
    assert everything[:copies] == alike
    for count in (1, 2, 3, copies - 1, copies, copies + 1, 999):
        assert snapshot.nearest(QUERIES[0], count)[0].tolist() == everything[:count]


@pytest.mark.parametrize("factory", [EXACT, COARSE])
def test_a_hidden_photo_is_found_neither_among_all_nor_among_some(
    snapshot_of: Callable[[str], Snapshot], factory: str
) -> None:
    whole = snapshot_of(factory)
    order = true_order(QUERIES[0])
    hidden = order[:100:2]
    index = whole.index
    assert index is not None
    seen = Snapshot(index, None, None, ~np.isin(index.ids, hidden), whole.newer_ids, whole.newer_vectors)
    assert seen.nearest(QUERIES[0], 1)[0].tolist() == order[1:2]
    assert not np.isin(seen.nearest(QUERIES[0], 64)[0], hidden).any()
    assert seen.nearest(QUERIES[0], 64, np.array(order[:100]))[0].tolist() == order[1:100:2]


def test_as_many_come_back_as_were_asked_for_where_the_coarse_index_proposes_too_few(
    snapshot_of: Callable[[str], Snapshot],
) -> None:
    """All but 100 photos hidden: no filter, so the coarse index is asked first."""
    whole = snapshot_of(COARSE)
    left = true_order(QUERIES[0])[-100:]
    index = whole.index
    assert index is not None
    seen = Snapshot(index, None, None, np.isin(index.ids, left), whole.newer_ids, whole.newer_vectors)
    assert seen.nearest(QUERIES[0], 128)[0].tolist() == left
