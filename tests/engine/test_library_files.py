"""A library with its pixel features elsewhere answers as one that has them in its folder."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from engine.search import SearchEngine
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from tests.engine.libraries import PHOTO_COUNT
from tests.indexer.object_server import FolderPlace, Place, keep_files_in, move_features
from tests.model.scenes import COLOURS, SHAPES

SENTENCES = [
    f"a {first} {shape} and a {second} {other}"
    for first, second, shape, other in itertools.product(COLOURS, COLOURS, SHAPES, SHAPES)
]


@pytest.fixture
def elsewhere(library: Path, place: Place) -> Path:
    """The library of `indexed` with its pixel features at that place, in two shards."""
    keep_files_in(library, place.url)
    with LibraryView.open(library) as opened:
        ids = opened.photo_ids().tolist()
        move_features(opened, ids[::2], ids[1::2])
    return library


def test_the_same_hits_and_scores_come_of_both(indexed: Path, elsewhere: Path, place: Place, weights: Path) -> None:
    sentences = SENTENCES[:8] if isinstance(place, FolderPlace) else SENTENCES[:200]
    model = TrainedModel(weights, device="cpu")
    with SearchEngine.over(indexed, model) as here, SearchEngine.over(elsewhere, model) as there:
        for sentence in sentences:
            hits = there.search(sentence).hits
            assert len(hits) == PHOTO_COUNT
            assert hits == here.search(sentence).hits


def test_a_search_ranks_the_photos_whose_pixel_features_are_left(elsewhere: Path, place: Place, weights: Path) -> None:
    shard = next(name for name in place.names() if "/features/" in name)
    place.remove(shard)
    with SearchEngine.over(elsewhere, TrainedModel(weights, device="cpu")) as engine:
        hits = engine.search(SENTENCES[0]).hits
    assert sum(hit.match is not None for hit in hits) == PHOTO_COUNT // 2
