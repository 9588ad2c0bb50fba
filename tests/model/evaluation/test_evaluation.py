"""Evaluation: both directions, the whole ranking behind a shortlist, depths, folds, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from model.data.shards import HardNegative, ShardError, write_shard
from model.evaluation.hard_negatives import accuracy
from model.evaluation.report import evaluate_shards
from model.metrics import recall
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.protocol import EncodedImages, EncodedText
from model.scoring.collection import EncodedCollection
from model.scoring.parameters import ScoringParameters
from model.scoring.parts import PreparedPhotos, ScoreParts
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists, rerank_captions, rerank_photos
from model.scoring.word_detectors import WordDetectors
from model.weights import WeightsError, generation
from tests.engine.libraries import write_weights
from tests.model.scenes import photos as scene_photos

DIRECTIONS = ("text_to_image", "image_to_text")


class Dot:
    """A runtime whose ITM logit is the dot product of the first tokens."""

    device = "cpu"
    at_once = 1

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        raise AssertionError(f"nothing is encoded here: {len(images)} photos")

    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise AssertionError(f"nothing is explained here: {image.shape}")

    def prepare(self, *, rerank: bool) -> None:
        """Everything is there."""

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        raise AssertionError(f"nothing is encoded here: {len(sentences)} sentences")

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        pairs = zip(text.word_features, pixel_features, strict=True)
        return np.array([words[0] @ pixels[0] for words, pixels in pairs], dtype=np.float32)

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        raise AssertionError(f"nothing is explained here: {len(text)} sentences, {len(pixel_features)} photos")


class Spoken(Dot):
    """The same for sentences whose direction is known by heart."""

    def __init__(self, directions: dict[str, float]) -> None:
        self.directions = directions

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        cosines = np.array([self.directions[sentence] for sentence in sentences], dtype=np.float32)
        vectors = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)
        return EncodedText(vectors, list(vectors[:, None]))


def prepared(embeddings: NDArray[np.float32], pixel_features: Sequence[NDArray[np.float32]]) -> PreparedPhotos:
    """Photos for weights without querybank and word detectors."""
    pooled = np.zeros((len(embeddings), 1), dtype=np.float32)
    return Ranker(Dot()).prepare(EncodedImages(embeddings, list(pixel_features), pooled))


def random_collection(photos: int = 30, captions: Sequence[int] = (5,), seed: int = 0) -> EncodedCollection:
    """Photos with vectors that tell them apart a little, and `captions` captions each in turn."""
    random = np.random.default_rng(seed)
    caption_to_image = np.repeat(np.arange(photos), np.resize(captions, photos))

    def noisy(vectors: NDArray[np.float64], noise: float) -> NDArray[np.float32]:
        vectors = vectors + noise * random.normal(size=vectors.shape)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    truth = random.normal(size=(photos, 8))
    of_captions = truth[caption_to_image]
    return EncodedCollection(
        prepared(noisy(truth, 0.5), list(noisy(truth, 0.3)[:, None])),
        EncodedText(noisy(of_captions, 0.5), list(noisy(of_captions, 0.3)[:, None])),
        caption_to_image,
    )


def ranks_by_sorting(
    queries: NDArray[np.float32],
    candidates: NDArray[np.float32],
    itm: NDArray[np.float32],
    right: NDArray[np.bool_],
    depth: int,
) -> list[int]:
    """Sort by similarity, sort the first `depth` again by ITM, look for the first right one."""
    ranks = []
    for row in range(len(queries)):
        by_similarity = sorted(range(len(candidates)), key=lambda column: -float(queries[row] @ candidates[column]))
        head = sorted(by_similarity[:depth], key=lambda column: -float(itm[row, column]))
        ranks.append([bool(right[row, column]) for column in head + by_similarity[depth:]].index(True))
    return ranks


@pytest.mark.parametrize("depth", [1, 3, 12, 30])
def test_ranks_are_those_of_the_whole_list_sorted_twice(depth: int) -> None:
    collection = random_collection(captions=(5, 6))
    words = np.concatenate(collection.text.word_features)
    pixels = np.concatenate(list(collection.photos.pixel_features))
    right = collection.caption_to_image[:, None] == np.arange(30)
    lists = rerank_photos(Ranker(Dot()), collection, 30)
    assert lists.ranks(lists.parts.itm_logits, depth).tolist() == ranks_by_sorting(
        collection.text.embeddings, collection.photos.embeddings, words @ pixels.T, right, depth
    )
    lists = rerank_captions(Ranker(Dot()), collection, 30)
    assert lists.ranks(lists.parts.itm_logits, depth).tolist() == ranks_by_sorting(
        collection.photos.embeddings, collection.text.embeddings, pixels @ words.T, right.T, depth
    )


def test_a_shallow_shortlist_is_the_head_of_a_deep_one() -> None:
    collection = random_collection()
    shallow, deep = rerank_photos(Ranker(Dot()), collection, 4), rerank_photos(Ranker(Dot()), collection, 30)
    assert shallow.ranks(shallow.parts.itm_logits).tolist() == deep.ranks(deep.parts.itm_logits, 4).tolist()


def test_a_photo_off_the_shortlist_keeps_its_place_behind_it() -> None:
    lists = Shortlists(
        photos=np.array([0]),
        candidates=np.array([[4, 2]]),
        scores=np.array([[0.9, 0.8]], dtype=np.float32),
        parts=ScoreParts(
            *np.array([[[0.9, 0.8]], [[0, 0]], [[0, 0]], [[0.0, 5.0]], [[9, 9]], [[0, 0]]], dtype=np.float32)
        ),
        relevant=np.array([[False, False]]),
        shortlist_ranks=np.array([6]),
        similarity_ranks=np.array([3]),
        hubness_ranks=np.array([4]),
    )
    assert recall(lists.ranks(lists.parts.itm_logits)) == {"r@1": 0.0, "r@5": 0.0, "r@10": 100.0, "median_rank": 7.0}


def test_the_rerank_finds_what_the_shortlist_ranked_second() -> None:
    near, far = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)
    blurred = np.array([0.8, 0.6], dtype=np.float32)
    collection = EncodedCollection(
        prepared(np.stack([blurred, near]), [near[None], far[None]]),
        EncodedText(np.stack([near, blurred]), [near[None], far[None]]),
        np.array([0, 1]),
    )
    lists = rerank_photos(Ranker(Dot()), collection, 2)
    assert lists.similarity_ranks.tolist() == [1, 1]
    assert lists.ranks(lists.parts.itm_logits).tolist() == [0, 0]
    lists = rerank_captions(Ranker(Dot()), collection, 2)
    assert lists.ranks(lists.parts.itm_logits).tolist() == [0, 0]


def test_folds_are_consecutive_blocks_with_their_own_captions() -> None:
    collection = random_collection(25, captions=(5, 6))
    first, second = collection.folds(10)
    assert [len(fold.photos) for fold in (first, second)] == [10, 10]
    assert [len(fold.caption_to_image) for fold in (first, second)] == [55, 55]
    assert np.array_equal(second.photos.embeddings, collection.photos.embeddings[10:20])
    assert np.array_equal(second.text.embeddings, collection.text.embeddings[55:110])
    assert second.caption_to_image.tolist() == (collection.caption_to_image[55:110] - 10).tolist()


@pytest.fixture(scope="module")
def report(trained_on_scenes: Path, scene_shard: Path) -> dict[str, Any]:
    return evaluate_shards(
        trained_on_scenes, [scene_shard], split="dev", shortlists=[10, 3], fold=20, device="cpu", progress=False
    )


def test_evaluation_reports_both_directions(report: dict[str, Any]) -> None:
    assert report["photos"] == report["captions"] == 60
    for direction in ("text_to_image", "image_to_text"):
        assert report[direction]["queries"] == 60
        assert [report[direction][name]["pairs"] for name in ("shortlist", "rerank@3", "rerank")] == [0, 180, 600]
        for ranking in ("shortlist", "itm", "rerank@3", "rerank"):
            figures = report[direction][ranking]
            assert 0 <= figures["r@1"] <= figures["r@5"] <= figures["r@10"] <= 100
        assert report[direction]["rerank@3"]["in_shortlist"] <= report[direction]["rerank"]["in_shortlist"]
    assert report["text_to_image"]["rerank"]["r@1"] >= report["text_to_image"]["shortlist"]["r@1"]


def test_the_gain_is_the_difference_of_the_recalls(report: dict[str, Any]) -> None:
    figures = report["text_to_image"]
    gain = figures["rerank_gain_r@1"]
    assert gain["gain"] == pytest.approx(figures["rerank"]["r@1"] - figures["shortlist"]["r@1"], abs=0.011)
    assert gain["low"] <= gain["gain"] <= gain["high"]


def test_rsum_is_the_sum_of_the_six_recalls(report: dict[str, Any]) -> None:
    six = [report[direction]["rerank"][figure] for direction in DIRECTIONS for figure in ("r@1", "r@5", "r@10")]
    assert report["rsum"]["rerank"] == pytest.approx(sum(six))


def test_the_match_of_the_first_hit_is_judged_with_half_the_photos_gone(report: dict[str, Any]) -> None:
    for quality in (report["match"], report["folds"]["match"]):
        assert quality["first_hits"] == 60
        assert 0 < quality["right"] <= 50
        assert quality["auroc"] > 0.5


def test_a_fold_is_easier_than_the_whole(report: dict[str, Any]) -> None:
    assert (report["folds"]["count"], report["folds"]["photos"]) == (3, 20)
    for direction in DIRECTIONS:
        assert report["folds"][direction]["shortlist"]["r@10"] >= report[direction]["shortlist"]["r@10"]


def test_itm_tells_a_caption_from_one_with_swapped_colours(report: dict[str, Any]) -> None:
    figures = report["hard_negatives"]
    assert figures["cases"] == figures["kinds"]["swap_colour"]["cases"] == 60
    assert figures["itm"] >= 90
    assert figures["rerank"] == figures["kinds"]["swap_colour"]["rerank"]


def test_a_hard_negative_as_good_as_its_caption_is_a_miss() -> None:
    same, near, far = (
        HardNegative("it", "it", "same"),
        HardNegative("yes", "no", "word"),
        HardNegative("no", "yes", "word"),
    )
    runtime, photo = Spoken({"it": 0.6, "yes": 1.0, "no": 0.0}), np.array([[1, 0]], dtype=np.float32)
    collection = EncodedCollection(prepared(photo, [photo]), EncodedText(photo[:0], []), np.zeros(0, dtype=np.int64))
    figures = accuracy(Ranker(runtime), collection, [same, near, far], np.zeros(3, dtype=np.int64))
    assert (figures["cases"], figures["similarity"], figures["itm"]) == (3, 33.33, 33.33)
    assert figures["kinds"]["same"] == {"cases": 1, "similarity": 0.0, "itm": 0.0, "rerank": 0.0}
    assert figures["kinds"]["word"] == {"cases": 2, "similarity": 50.0, "itm": 50.0, "rerank": 50.0}


def test_a_sixth_caption_counts_only_when_asked_for(trained_on_scenes: Path, tmp_path: Path) -> None:
    six = [replace(photo, captions=photo.captions * 6) for photo in scene_photos(4, "test", 0)]
    write_shard(tmp_path / "six.tar", six)

    def captions(first: int | None) -> int:
        report = evaluate_shards(
            trained_on_scenes, [tmp_path / "six.tar"], split="test", shortlists=[4], captions=first, progress=False
        )
        count: int = report["captions"]
        return count

    assert captions(None) == 24
    assert captions(5) == 20


def test_fewer_photos_than_a_fold_are_refused(trained_on_scenes: Path, scene_shard: Path) -> None:
    with pytest.raises(ShardError, match=r"60 captioned photos of split dev .*fewer than the 1000 asked for"):
        evaluate_shards(trained_on_scenes, [scene_shard], split="dev", shortlists=[4], fold=1000, progress=False)


@pytest.mark.parametrize("silent", [0, 1], ids=["the first", "the second"])
def test_a_fold_of_whose_words_none_has_a_detector_counts_all_the_same(tmp_path: Path, silent: int) -> None:
    weights = write_weights(tmp_path / "weights", seed=0)
    red = PixelBertProcessor.from_pretrained(weights).tokenizer.token_to_id("red")
    channels = load_runtime(weights, device="cpu").encode_image([np.zeros((96, 96, 3), np.uint8)]).pooled_features.shape
    one = np.ones(1, dtype=np.float32)
    detectors = WordDetectors(np.array([red]), np.ones((1, channels[1]), np.float32), one, -one, absent_weight=0.0)
    ScoringParameters(detectors=detectors).save(weights, generation(weights))
    words = ["a blue circle", "a red circle"] if silent == 0 else ["a red circle", "a blue circle"]
    photos = [replace(photo, captions=(words[row // 4],)) for row, photo in enumerate(scene_photos(8, "test", 0))]
    write_shard(tmp_path / "test.tar", photos)
    folds = evaluate_shards(
        weights, [tmp_path / "test.tar"], split="test", shortlists=[4], fold=4, device="cpu", progress=False
    )["folds"]
    for way in DIRECTIONS:
        assert folds[way]["words"]["pairs"] == 32
    assert folds["rsum"].keys() == {"shortlist", "itm", "words", "rerank"}


@pytest.mark.parametrize("part", ["text_projection", "image_projection", "itm_head"])
def test_weights_that_compute_no_numbers_are_not_measured(tmp_path: Path, part: str) -> None:
    weights = write_weights(tmp_path / "weights", seed=0)
    tensors = load_file(weights / "model.safetensors")
    for name, tensor in tensors.items():
        if name.startswith(part):
            tensor[...] = np.nan
    save_file(tensors, weights / "model.safetensors", metadata={"format": "pt"})
    write_shard(tmp_path / "test.tar", scene_photos(8, "test", 0))
    with pytest.raises(WeightsError, match="not finite"):
        evaluate_shards(weights, [tmp_path / "test.tar"], split="test", shortlists=[4], device="cpu", progress=False)
