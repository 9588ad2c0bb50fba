"""The dev photos that decide which weights are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.metrics import RECALL_AT
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.scoring.word_detectors import WordDetectors
from model.training.judge import Judge
from model.training.recipe import Dev
from tests.model.scenes import photos


def test_every_dataset_has_a_gallery_of_its_own_and_all_count_alike(trained_on_scenes: Path) -> None:
    many = photos(40, "dev", 7)
    few = [replace(photo, key=f"few-{photo.key}", dataset="few") for photo in photos(4, "dev", 8)]
    judge = Judge([*many, *few], Dev(photos=30, shortlist=8), photos(6, "train", 9))
    assert len(judge) == 34
    runtime = load_runtime(trained_on_scenes, device="cpu")
    verdict = judge.judge(runtime, PixelBertProcessor.from_pretrained(trained_on_scenes), WordDetectors())
    assert list(verdict.figures) == ["few", "scenes"]
    assert verdict.figures["few"]["shortlist"]["r@5"] == 100.0, "there are but four"
    means = [sum(of["rerank"][f"r@{k}"] for k in RECALL_AT) / 3 for of in verdict.figures.values()]
    assert verdict.parameters.querybank.embeddings.shape == (6, 64)
    assert verdict.score == pytest.approx(sum(means) / 2)


def test_the_photos_it_takes_are_always_the_same() -> None:
    many = photos(40, "dev", 7)
    one, other = (Judge(many, Dev(photos=10), [])._galleries["scenes"] for _ in range(2))
    assert [photo.key for photo in one] == [photo.key for photo in other] != [photo.key for photo in many[:10]]
