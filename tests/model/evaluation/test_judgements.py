"""Comparing the match with what people say: files of judgements, good and bad, and the figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model.bundle import TrainedModel
from model.data.shards import ShardError, write_shard
from model.evaluation.judgements import JudgementError, evaluate_judgements, read_judgements
from model.metrics import area_under_curve
from tests.model.scenes import photos as scene_photos

PHOTOS = scene_photos(12, "test", 3)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    write_shard(tmp_path / "scenes.tar", PHOTOS)
    return tmp_path / "scenes.tar"


def write(path: Path, *records: object) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """Every sentence about every photo; of other photos' sentences, people say yes to every fifth."""
    records = []
    for row, photo in enumerate(PHOTOS):
        for column, other in enumerate(PHOTOS):
            own = row == column
            fit = 0.9 if own else 0.7 if (row + column) % 5 == 0 else 0.1
            records.append({"key": photo.key, "sentence": other.captions[0], "fit": fit, "own": own, "votes": [1, 2]})
    return write(tmp_path / "judgements.jsonl", *records)


def test_the_figures_compare_match_and_people(shard: Path, judged: Path, trained_on_scenes: Path) -> None:
    report = evaluate_judgements(trained_on_scenes, [shard], judged, split="test", device="cpu", progress=False)
    figures = report["judgements"]
    assert figures["pairs"] == 144
    assert figures["photos"] == 12
    assert figures["mean_fit_own"] == 0.9
    assert sum(bin_["pairs"] for bin_ in figures["by"]["match"]["bins"]) == 144
    model = TrainedModel(trained_on_scenes, device="cpu")
    images = model.runtime.encode_image([photo.decode(model.processor.image_processor) for photo in PHOTOS])
    match = np.stack(
        [model.ranker.score(model.runtime.encode_text([photo.captions[0]]), images).match for photo in PHOTOS], axis=1
    )  # (photos, sentences)
    fit = np.array([judgement.fit for judgement in read_judgements(judged)]).reshape(12, 12)
    assert figures["mean_match_own"] == pytest.approx(np.diag(match).mean(), abs=1e-3)
    assert figures["brier"] == pytest.approx(((match - fit) ** 2).mean(), abs=1e-3)
    assert figures["auc"] == pytest.approx(
        area_under_curve(match.ravel().astype(np.float64), fit.ravel() > 0.5), abs=0.01
    )
    others = ~np.eye(12, dtype=np.bool_)
    expected = area_under_curve(match[others].astype(np.float64), fit[others] > 0.5)
    assert figures["auc_other"] == pytest.approx(expected, abs=0.01)


def test_each_part_is_ordered_by_itself(shard: Path, judged: Path, trained_on_scenes: Path) -> None:
    report = evaluate_judgements(trained_on_scenes, [shard], judged, split="test", device="cpu", progress=False)
    by = report["judgements"]["by"]
    assert list(by) == ["match", "similarity", "detectors", "joint"]
    for figures in by.values():
        measures = [bin_["measure"] for bin_ in figures["bins"]]
        assert measures == sorted(measures)
    assert by["match"]["auc"] > 0.6, "the network knows its scenes"


def test_only_photos_of_the_split_are_judged(shard: Path, tmp_path: Path, trained_on_scenes: Path) -> None:
    known = {"key": PHOTOS[0].key, "sentence": "a red circle", "fit": 1, "own": None}
    judged = write(tmp_path / "some.jsonl", known, {**known, "key": "of another shard"}, known)
    figures = evaluate_judgements(trained_on_scenes, [shard], judged, split="test", progress=False)["judgements"]
    assert (figures["pairs"], figures["not_in_these_shards"]) == (2, 1)
    assert figures["auc"] is None, "no pair does not fit"
    assert figures["mean_match_own"] is None, "no sentence is known to be a photo's own"
    with pytest.raises(ShardError, match=r"no photo that .*some\.jsonl judges is in split dev of .*scenes\.tar"):
        evaluate_judgements(trained_on_scenes, [shard], judged, split="dev", progress=False)


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        '"text"',
        '{"key": "a", "sentence": "b"}',
        '{"key": 1, "sentence": "b", "fit": 1}',
        '{"key": "a", "sentence": " ", "fit": 1}',
        '{"key": "a", "sentence": "b", "fit": 1.1}',
        '{"key": "a", "sentence": "b", "fit": -0.1}',
        '{"key": "a", "sentence": "b", "fit": NaN}',
        '{"key": "a", "sentence": "b", "fit": true}',
        '{"key": "a", "sentence": "b", "fit": "0.5"}',
        '{"key": "a", "sentence": "b", "fit": 1, "own": "yes"}',
        '{"key": "a", "sentence": "b", "fit": 1, "own": 1}',
    ],
)
def test_a_line_that_is_no_judgement_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "judgements.jsonl"
    path.write_text('{"key": "a", "sentence": "b", "fit": 1}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(JudgementError, match=r"judgements\.jsonl, line 3 is no judgement"):
        read_judgements(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    for name in ("none.jsonl", "binary.jsonl", "."):
        with pytest.raises(JudgementError, match="cannot be read"):
            read_judgements(tmp_path / name)
