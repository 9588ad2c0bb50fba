"""Ranks by hand, against a slow reference with ties everywhere, and from scores that no batch can change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.shards import read_shards
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.protocol import EncodedImages, EncodedText, Runtime
from model.scoring.collection import DIRECTIONS, Direction, EncodedCollection, encode_collection
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists, first_ranked, rerank, rerank_captions, rerank_photos, score_all_pairs
from tests.model.numbered import Known, numbered, processor


def of_matrices(similarities: Sequence[Sequence[float]], logits: Sequence[Sequence[float]]) -> EncodedCollection:
    """Four captions and three photos with these scores (4, 3); the first two captions are of the first photo."""
    one_each = np.eye(3, dtype=np.float32)
    words = np.array(logits, dtype=np.float32)
    return EncodedCollection(
        Ranker(Known([2, 1, 1])).prepare(EncodedImages(one_each, list(one_each[:, None]), one_each)),
        EncodedText(np.array(similarities, dtype=np.float32), list(words[:, None])),
        np.array([0, 0, 1, 2]),
    )


def test_ranks_by_hand() -> None:
    collection = of_matrices(
        [
            [0.9, 0.5, 0.1],  # finds its photo, the first, at once
            [0.4, 0.6, 0.2],  # second
            [0.3, 0.3, 0.8],  # last: its photo, the second, is tied with the first, and loses the tie
            [0.1, 0.7, 0.6],  # second
        ],
        [
            [0, 1, 9],  # of the nearest two, the wrong one is preferred; the 9 is off the shortlist
            [5, 5, 0],  # a tie, which the right one loses
            [1, 9, 2],  # the right one is off the shortlist, so its 9 is not seen
            [7, 1, 8],  # the right one is preferred
        ],
    )
    ranker = Ranker(Known([2, 1, 1]))
    captions = rerank_photos(ranker, collection, 2)
    assert captions.candidates.tolist() == [[0, 1], [1, 0], [2, 0], [1, 2]]
    assert captions.similarity_ranks.tolist() == [0, 1, 2, 1]
    assert captions.ranks(captions.parts.itm_logits).tolist() == [1, 1, 2, 0]
    photos = rerank_captions(ranker, collection, 2)
    assert photos.candidates.tolist() == [[0, 1], [3, 1], [2, 3]]
    assert photos.similarity_ranks.tolist() == [0, 3, 1]
    assert photos.ranks(photos.parts.itm_logits).tolist() == [0, 3, 0]


COUNTS = [5, 1, 6, 5, 2] * 8


def slow_order(
    listed: list[int], similarities: NDArray[np.float32], logits: NDArray[np.float32], right: NDArray[np.bool_]
) -> list[int]:
    """One query's candidates: those `listed` by logit, all others by similarity; a right one is last among equals."""
    head = sorted(listed, key=lambda candidate: (-logits[candidate], right[candidate]))
    others = [candidate for candidate in range(len(similarities)) if candidate not in listed]
    return head + sorted(others, key=lambda candidate: (-similarities[candidate], right[candidate]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("depth", [1, 3, 8, 1000])
@pytest.mark.parametrize("way", DIRECTIONS)
def test_ranks_with_ties_are_those_of_sorting(way: Direction, depth: int, seed: int) -> None:
    runtime = Known(COUNTS, spread=1, seed=seed)
    collection = encode_collection(Ranker(runtime), numbered(COUNTS), processor())
    lists = rerank(Ranker(runtime), collection, way, depth)
    similarities, logits = runtime.captions @ runtime.photos.T, runtime.words @ runtime.pixels.T
    right = runtime.owner[:, None] == np.arange(len(COUNTS))
    if way == "image_to_text":
        similarities, logits, right = similarities.T, logits.T, right.T
    assert len(np.unique(similarities[0])) < len(similarities[0]), "some are tied"
    whole = first_ranked(
        Ranker(runtime), collection, way, lists, {"itm": lists.parts.itm_logits}, len(similarities[0])
    )["itm"]
    by_similarity, by_itm = [], []
    for row, listed in enumerate(lists.candidates.tolist()):
        keys = sorted((-score, is_right) for score, is_right in zip(similarities[row], right[row], strict=True))
        # Which of two wrong ones that are equally near is on a shortlist is open; everything else is not.
        assert [(-similarities[row, candidate], right[row, candidate]) for candidate in listed] == keys[: len(listed)]
        by_similarity.append([is_right for _, is_right in keys].index(True))
        order = slow_order(listed, similarities[row], logits[row], right[row])
        by_itm.append(right[row, order].tolist().index(True))
        assert sorted(whole[row].tolist()) == list(range(len(order))), "every candidate once"
        for scores, part in ((logits, slice(len(listed))), (similarities, slice(len(listed), None))):
            assert scores[row, whole[row, part]].tolist() == scores[row, order[part]].tolist()
            assert right[row, whole[row, part]].tolist() == right[row, order[part]].tolist()
    assert lists.similarity_ranks.tolist() == by_similarity
    assert lists.ranks(lists.parts.itm_logits).tolist() == by_itm


@pytest.fixture(scope="module")
def runtime(trained_on_scenes: Path) -> Runtime:
    return load_runtime(trained_on_scenes, device="cpu")


@pytest.fixture(scope="module")
def scenes(runtime: Runtime, trained_on_scenes: Path, scene_shard: Path) -> EncodedCollection:
    photos = read_shards([scene_shard], "dev")[:15]
    return encode_collection(Ranker(runtime), photos, PixelBertProcessor.from_pretrained(trained_on_scenes))


def matrix(lists: Shortlists) -> NDArray[np.float32]:
    """The logits (Q, N) of shortlists that hold all candidates."""
    logits = np.full(lists.parts.itm_logits.shape, np.nan, dtype=np.float32)
    np.put_along_axis(logits, lists.candidates, lists.parts.itm_logits, 1)
    return logits


def test_both_directions_score_a_pair_alike(runtime: Runtime, scenes: EncodedCollection) -> None:
    ranker = Ranker(runtime)
    by_caption, by_photo = matrix(rerank_photos(ranker, scenes, 15)), matrix(rerank_captions(ranker, scenes, 15)).T
    assert np.ptp(by_caption) > 1, "the model tells pairs apart"
    assert np.allclose(by_caption, by_photo, rtol=1e-5, atol=1e-5)
    assert np.allclose(by_caption, score_all_pairs(ranker, scenes).itm_logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_the_batch_does_not_change_a_score(
    size: int, runtime: Runtime, scenes: EncodedCollection, trained_on_scenes: Path, scene_shard: Path
) -> None:
    photos = read_shards([scene_shard], "dev")[:15]
    reader = PixelBertProcessor.from_pretrained(trained_on_scenes)
    order = np.random.default_rng(size).permutation(15)
    features: dict[int, NDArray[np.float32]] = {}
    for start in range(0, 15, size):
        rows = order[start : start + size].tolist()
        images = runtime.encode_image([photos[row].decode(reader.image_processor) for row in rows])
        text = runtime.encode_text([photos[row].captions[0] for row in rows])
        assert np.allclose(images.embeddings, scenes.photos.embeddings[rows], atol=1e-5)
        assert np.allclose(text.embeddings, scenes.text.embeddings[rows], atol=1e-5)
        features.update(zip(rows, images.pixel_features, strict=True))
    expected = score_all_pairs(Ranker(runtime), scenes).itm_logits
    pairs = np.random.default_rng(size).permutation(15 * 15)
    for start in range(0, len(pairs), size):
        captions, shown = np.divmod(pairs[start : start + size], 15)
        logits = runtime.itm_logits(scenes.text.select(captions.tolist()), [features[photo] for photo in shown])
        # float32 sums in another order: between two trainings of these weights up to 1.4e-5 was seen.
        assert np.allclose(logits, expected[captions, shown], rtol=1e-5, atol=1e-4)
