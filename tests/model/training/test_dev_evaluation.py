"""The dev photos that decide which weights are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.metrics import RECALL_AT
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.scoring.word_detectors import WordDetectors
from model.training.dev_evaluation import DevEvaluator
from model.training.recipe import Dev
from tests.model.scenes import photos


def test_every_dataset_has_a_gallery_of_its_own_and_all_count_alike(trained_on_scenes: Path) -> None:
    many = photos(40, "dev", 7)
    few = [replace(photo, key=f"few-{photo.key}", dataset="few") for photo in photos(4, "dev", 8)]
    evaluator = DevEvaluator([*many, *few], Dev(photos=30, shortlist=8), photos(6, "train", 9))
    assert len(evaluator) == 34
    runtime = load_runtime(trained_on_scenes, device="cpu")
    result = evaluator.evaluate(runtime, PixelBertProcessor.from_pretrained(trained_on_scenes), WordDetectors())
    assert list(result.figures) == ["few", "scenes"]
    assert result.figures["few"]["shortlist"]["r@5"] == 100.0, "there are only four"
    means = [sum(of["rerank"][f"r@{k}"] for k in RECALL_AT) / 3 for of in result.figures.values()]
    assert result.parameters.querybank.embeddings.shape == (6, 64)
    assert result.score == pytest.approx(sum(means) / 2)


def test_the_photos_it_takes_are_always_the_same() -> None:
    many = photos(40, "dev", 7)
    first, second = (DevEvaluator(many, Dev(photos=10), [])._galleries["scenes"] for _ in range(2))
    assert [photo.key for photo in first] == [photo.key for photo in second] != [photo.key for photo in many[:10]]
