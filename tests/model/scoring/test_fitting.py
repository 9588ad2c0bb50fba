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
from model.scoring.judge import Judge, SentenceEncoder
from model.scoring.judged_galleries import keyword_queries
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


def test_a_match_fitted_on_some_scenes_says_of_others_what_the_judge_says(
    trained_on_scenes: Path, shard: Path, tmp_path: Path
) -> None:
    weights = shutil.copytree(trained_on_scenes, tmp_path / "weights")
    fitted = fit_parameters(weights, [shard], shortlist=16, progress=False).calibration
    ranker = Ranker.load(weights, device="cpu")
    assert ranker.parameters.calibration == fitted
    assert fitted != Ranker.load(trained_on_scenes, device="cpu").parameters.calibration
    assert not (weights / "scoring" / "word_detectors.npz").exists(), "there was nothing to learn words from"
    assert 0 < fitted.cutoff < 1
    fresh = photos(len(scenes()), "dev", 12)
    collection = encode_collection(ranker, fresh, PixelBertProcessor.from_pretrained(weights))
    lists = rerank_photos(ranker, collection, 16)
    match = ranker.match(ranker.combine(lists.parts), lists.parts.prior_log_odds)
    judge = Judge(fresh, SentenceEncoder())
    fits = judge.fit([photo.captions[0] for photo in fresh], np.arange(len(fresh)))
    fit = np.take_along_axis(fits, lists.candidates, 1)
    assert match.mean() == pytest.approx(fit.mean(), abs=0.15)
    assert np.corrcoef(match.ravel(), fit.ravel())[0, 1] > 0.2
    assert ((match - fit) ** 2).mean() < fit.var() + 0.02


def test_queries_that_people_type_are_words_of_the_captions() -> None:
    captions = [("A dog runs on the grass .", "A brown dog .")] * 3 + [("Two cats sleep on a red sofa .",)] * 4
    queries = keyword_queries(captions, 40)
    assert queries == keyword_queries(captions, 40), "the same ones every time"
    assert len(queries) == 40
    words = {word for query in queries for word in query.split()}
    assert {"dog", "cats", "a"} <= words
    assert not words & {"the", "on", "two"}
    assert {len(query.removeprefix("a ").split()) for query in queries} == {1, 2}
    assert keyword_queries([("the",)], 10) == keyword_queries([], 10) == []


def test_without_dev_photos_there_is_nothing_to_fit(trained_on_scenes: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "train.tar", photos(3, "train", 0))
    with pytest.raises(ShardError, match="no captioned photos of split dev"):
        fit_parameters(trained_on_scenes, [tmp_path / "train.tar"])
