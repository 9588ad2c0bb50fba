"""Exhaustive ITM: every pair of a declared subset is scored once, and the figures are those of the full matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.shards import ShardError
from model.evaluation.report import evaluate, evaluate_shards
from model.metrics import recall
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.ranker import Ranker
from tests.model.numbered import Known, numbered, processor

COUNTS = [5, 6, 5, 1] * 10
SUBSET = 12
PARAMETERS = ScoringParameters(Calibration(similarity_scale=0.5))


def run(counts: list[int], runtime: Known, **options: Any) -> dict[str, Any]:
    return evaluate(Ranker(runtime, PARAMETERS), numbered(counts), processor(), **options).report


@pytest.fixture(scope="module")
def runtime() -> Known:
    return Known(COUNTS)


@pytest.fixture(scope="module")
def report(runtime: Known) -> dict[str, Any]:
    exhaustive: dict[str, Any] = run(COUNTS, runtime, shortlists=[8, 3], exhaustive=SUBSET)["exhaustive"]
    return exhaustive


def by_sorting(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rank of each query's first right candidate, wrong ones first among equals."""
    ranks = []
    for row, is_right in zip(scores.tolist(), right.tolist(), strict=True):
        ranked = sorted(zip(row, is_right, strict=True), key=lambda pair: (-pair[0], pair[1]))
        ranks.append([right for _, right in ranked].index(True))
    return np.array(ranks)


def test_all_pairs_of_the_first_photos_are_ranked(runtime: Known, report: dict[str, Any]) -> None:
    captions = sum(COUNTS[:SUBSET])
    assert (report["photos"], report["captions"], report["pairs"]) == (SUBSET, captions, captions * SUBSET)
    logits, similarities = (matrix[:captions, :SUBSET] for matrix in (runtime.logits, runtime.similarities))
    right = runtime.owner[:captions, None] == np.arange(SUBSET)
    for name, scores in (
        ("shortlist", similarities),
        ("itm", logits),
        ("rerank", logits + np.float32(0.5) * similarities),
    ):
        for way, ranks in (
            ("text_to_image", by_sorting(scores, right)),
            ("image_to_text", by_sorting(scores.T, right.T)),
        ):
            assert {**report[way][name], **recall(ranks)} == report[way][name], f"{way} by {name}"
    assert report["text_to_image"]["itm"]["r@1"] < 100, "otherwise nothing is measured"


def test_a_shortlist_of_the_subset_stands_beside_it() -> None:
    runtime = Known(COUNTS, spread=300)  # no ties: which of two equals is on a shortlist is nobody's business
    beside = run(COUNTS, runtime, shortlists=[8, 3], exhaustive=SUBSET)["exhaustive"]
    alone = run(COUNTS[:SUBSET], runtime, shortlists=[8, 3])
    for way in ("text_to_image", "image_to_text"):
        assert beside[way]["shortlist"] == alone[way]["shortlist"]
        assert beside[way]["rerank@3"] == alone[way]["rerank@3"]
        assert beside[way]["rerank@8"] == alone[way]["rerank"]


def test_a_pair_is_scored_once_for_both_directions() -> None:
    runtime = Known(COUNTS)
    run(COUNTS, runtime, shortlists=[3])
    without = runtime.matched
    run(COUNTS, runtime, shortlists=[3], exhaustive=SUBSET)
    assert runtime.matched - 2 * without == sum(COUNTS[:SUBSET]) * SUBSET


def test_more_photos_than_there_are_is_refused(trained_on_scenes: Path, scene_shard: Path) -> None:
    with pytest.raises(ShardError, match=r"60 captioned photos .*fewer than the 61 asked for"):
        evaluate_shards(trained_on_scenes, [scene_shard], split="dev", shortlists=[4], exhaustive=61, progress=False)
