"""Calibrating finished weights anew, on all dev photos and in galleries large and small."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.data.shards import ShardError, write_shard
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.scoring.calibration import Calibration
from model.scoring.collection import encode_collection
from model.scoring.fitted import FittedScores
from model.scoring.fitting import calibrate
from model.scoring.match_quality import first_hits, match_quality
from model.scoring.querybank import Querybank
from model.scoring.shortlists import rerank_photos
from model.weights import generation
from tests.model.scenes import photos, scenes


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every scene as a dev photo, drawn anew; half of them again under the name of another dataset."""
    path = tmp_path_factory.mktemp("dev") / "dev.tar"
    drawn = photos(len(scenes()), "dev", 11)
    others = [replace(photo, key=f"other-{photo.key}", dataset="other") for photo in drawn[: len(drawn) // 2]]
    write_shard(path, [*drawn, *others])
    return path


def test_a_match_fitted_on_some_scenes_holds_for_others(trained_on_scenes: Path, shard: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(trained_on_scenes, tmp_path / "weights")
    fitted = calibrate(weights, [shard], shortlist=16, progress=False).calibration
    assert FittedScores.load(weights, generation(weights)).calibration == fitted
    assert fitted != Calibration.load(trained_on_scenes)
    assert not (weights / "word_evidence.npz").exists(), "there was nothing to learn words from"
    assert 0 < fitted.cutoff < 1
    runtime, processor = load_runtime(weights, device="cpu"), PixelBertProcessor.from_pretrained(weights)
    fresh = encode_collection(runtime, photos(len(scenes()), "dev", 12), processor, Querybank.load(weights))
    lists = rerank_photos(runtime, fresh, 16)
    scores, right = first_hits(fitted.score(lists.itm_logits, lists.normalised), lists.relevant)
    quality = match_quality(fitted.match(scores), right)
    assert quality["auroc"] > 0.75
    assert quality["ece"] < 0.2
    assert quality["brier"] < quality["brier_constant"]
    assert np.mean(fitted.match(scores)[right] >= fitted.cutoff) > np.mean(
        fitted.match(scores)[~right] >= fitted.cutoff
    )


def test_without_dev_photos_there_is_nothing_to_fit(trained_on_scenes: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "train.tar", photos(3, "train", 0))
    with pytest.raises(ShardError, match="no captioned photos of split dev"):
        calibrate(trained_on_scenes, [tmp_path / "train.tar"])
