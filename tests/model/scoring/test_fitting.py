"""Calibrating finished weights anew, on all dev photos and in galleries large and small."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.data.shards import ShardError, write_shard
from model.processor import PixelBertProcessor
from model.scoring.collection import encode_collection
from model.scoring.fitting import fit_parameters
from model.scoring.match_quality import first_hits, match_quality
from model.scoring.ranker import Ranker
from model.scoring.shortlists import rerank_photos
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
    fitted = fit_parameters(weights, [shard], shortlist=16, progress=False).calibration
    ranker = Ranker.load(weights, device="cpu")
    assert ranker.parameters.calibration == fitted
    assert fitted != Ranker.load(trained_on_scenes, device="cpu").parameters.calibration
    assert not (weights / "scoring" / "word_detectors.npz").exists(), "there was nothing to learn words from"
    assert 0 < fitted.cutoff < 1
    processor = PixelBertProcessor.from_pretrained(weights)
    lists = rerank_photos(ranker, encode_collection(ranker, photos(len(scenes()), "dev", 12), processor), 16)
    match, right = first_hits(ranker.match(ranker.combine(lists.parts), lists.parts.prior_log_odds), lists.relevant)
    quality = match_quality(match, right)
    assert quality["auroc"] > 0.75
    assert quality["ece"] < 0.2
    assert quality["brier"] < quality["brier_constant"]
    assert np.mean(match[right] >= ranker.cutoff) > np.mean(match[~right] >= ranker.cutoff)


def test_without_dev_photos_there_is_nothing_to_fit(trained_on_scenes: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "train.tar", photos(3, "train", 0))
    with pytest.raises(ShardError, match="no captioned photos of split dev"):
        fit_parameters(trained_on_scenes, [tmp_path / "train.tar"])
