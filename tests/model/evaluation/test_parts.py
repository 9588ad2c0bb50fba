"""The worth of each part of the score."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from model.evaluation.parts import worth_of_parts
from model.evaluation.report import evaluate
from model.evaluation.tables import markdown, text
from model.metrics import recall
from model.scoring.calibration import Calibration
from model.scoring.collection import DIRECTIONS, Direction, encode_collection
from model.scoring.parameters import ScoringParameters
from model.scoring.querybank import Querybank
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists, rerank
from model.scoring.word_detectors import WordDetectors
from tests.model.numbered import Known, numbered, processor

COUNTS = [2, 3, 1] * 20
DEPTH = 12


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    """All parts count; the sentences of this runtime have no word pieces, so that detectors say nothing of them."""
    runtime, random = Known(COUNTS, spread=30), np.random.default_rng(0)
    width = runtime.photos.shape[1]
    detectors = WordDetectors(np.arange(4), np.zeros((4, width), np.float32), *np.zeros((2, 4), np.float32))
    bank = random.normal(0, 0.001, (20, width)).astype(np.float32)
    return Ranker(runtime, ScoringParameters(Calibration(0.5, 2.0), Querybank(bank), detectors))


@pytest.fixture(scope="module")
def lists(ranker: Ranker) -> dict[Direction, Shortlists]:
    """Shortlists whose word detectors, too, say more of what belongs together than of what does not."""
    collection = encode_collection(ranker, numbered(COUNTS), processor())
    random, lists = np.random.default_rng(1), {}
    for way in DIRECTIONS:
        shortlists = rerank(ranker, collection, way, DEPTH)
        log_odds = (200.0 * shortlists.relevant + random.normal(0, 400, shortlists.relevant.shape)).astype(np.float32)
        lists[way] = replace(shortlists, parts=replace(shortlists.parts, log_odds=log_odds))
    return lists


@pytest.mark.parametrize("way", DIRECTIONS)
def test_each_row_is_ranked_by_the_parts_so_far(
    ranker: Ranker, lists: dict[Direction, Shortlists], way: Direction
) -> None:
    parts = lists[way].parts
    scores = {
        "similarity": parts.similarity,
        "hubness": parts.similarity - parts.hubness,
        "detectors": 0.5 * (parts.similarity - parts.hubness) + 2.0 * parts.log_odds,
        "joint": 0.5 * (parts.similarity - parts.hubness) + 2.0 * parts.log_odds + parts.itm_logits,
    }
    worth = worth_of_parts(ranker, lists[way])
    assert list(worth) == list(scores)
    for name, expected in scores.items():
        figures = recall(lists[way].ranks(expected.astype(np.float32)))
        assert [worth[name][f"r@{k}"] for k in (1, 5, 10)] == [figures[f"r@{k}"] for k in (1, 5, 10)], name
    assert worth["similarity"]["r@1"] < worth["joint"]["r@1"], "otherwise nothing is measured"


@pytest.mark.parametrize("way", DIRECTIONS)
def test_a_gain_is_the_difference_to_the_row_before(
    ranker: Ranker, lists: dict[Direction, Shortlists], way: Direction
) -> None:
    rows = list(worth_of_parts(ranker, lists[way]).values())
    assert "gain" not in rows[0]
    for before, after in pairwise(rows):
        for k in ("r@1", "r@5", "r@10"):
            gain = after["gain"][k]
            assert gain["gain"] == pytest.approx(after[k] - before[k], abs=0.011)
            assert gain["low"] <= gain["gain"] <= gain["high"]


def test_photos_have_no_hubness_for_captions_to_differ_by(ranker: Ranker, lists: dict[Direction, Shortlists]) -> None:
    worth = worth_of_parts(ranker, lists["image_to_text"])["hubness"]
    assert worth["gain"]["r@1"] == {"gain": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("missing", "rows"),
    [
        ({"querybank": Querybank()}, ["similarity", "detectors", "joint"]),
        ({"detectors": WordDetectors()}, ["similarity", "hubness", "joint"]),
        ({"querybank": Querybank(), "detectors": WordDetectors()}, ["similarity", "joint"]),
    ],
)
def test_parts_that_the_weights_do_not_have_are_left_out(
    ranker: Ranker, lists: dict[Direction, Shortlists], missing: dict[str, Any], rows: list[str]
) -> None:
    lacking = Ranker(ranker.runtime, replace(ranker.parameters, **missing))
    assert list(worth_of_parts(lacking, lists["text_to_image"])) == rows


def test_an_evaluation_reports_the_parts_and_ends_with_the_rerank(ranker: Ranker) -> None:
    report = evaluate(ranker, numbered(COUNTS), processor(), shortlists=[DEPTH, 3]).report
    report |= {"weights": "w", "data": ["a"], "split": "test", "device": "cpu", "captions_in_shards": sum(COUNTS)}
    for way in DIRECTIONS:
        for k in ("r@1", "r@5", "r@10"):
            assert report[way]["parts"]["joint"][k] == report[way]["rerank"][k]
            assert report[way]["parts"]["similarity"][k] == report[way]["shortlist"][k]
    assert "parts" not in report["rsum"]
    for table in (text(report), markdown(report)):
        assert f"What each part of the score adds: {DEPTH} candidates" in table
        for label in ("+ hubness", "+ word detectors", "+ joint pass"):
            (first, second) = (line for line in table.splitlines() if label in line)
            assert "text to image" in first
            assert "image to text" in second
            assert first.count("[") == 3, "an interval for each recall"
