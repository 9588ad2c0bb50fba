"""Two runs compared query by query, and only where they asked the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.data.shards import CaptionedPhoto
from model.evaluation.comparison import ComparisonError, KeptRanks, differences
from model.evaluation.rankings import Rankings
from model.evaluation.report import evaluate
from model.scoring.collection import Direction
from model.scoring.ranker import Ranker
from tests.model.numbered import Known, numbered, processor

COUNTS = [2, 3] * 50
PHOTOS = numbered(COUNTS)


def rankings(photos: Sequence[CaptionedPhoto] = PHOTOS, *, shortlist: int = 5) -> Mapping[Direction, Rankings]:
    return evaluate(Ranker(Known(COUNTS)), photos, processor(), shortlists=[shortlist]).rankings


@pytest.fixture(scope="module")
def run() -> Mapping[Direction, Rankings]:
    return rankings()


@pytest.fixture
def kept(tmp_path: Path, run: Mapping[Direction, Rankings]) -> Path:
    KeptRanks.of(PHOTOS, 5, run).save(tmp_path / "a.npz")
    return tmp_path / "a.npz"


def test_ranks_are_read_back(kept: Path, run: Mapping[Direction, Rankings]) -> None:
    again = KeptRanks.load(kept, PHOTOS)
    assert again.shortlist == 5
    for way, ranking in run.items():
        for name in ("shortlist", "itm", "rerank"):
            assert np.array_equal(again.ranks[way][name], ranking.ranks[name])
    assert [path.name for path in kept.parent.iterdir()] == ["a.npz"], "nothing half written is left"


def test_a_run_does_not_differ_from_itself(kept: Path, run: Mapping[Direction, Rankings]) -> None:
    for way in differences(KeptRanks.load(kept, PHOTOS), run).values():
        for by in way.values():
            assert by == {f"r@{k}": {"gain": 0.0, "low": 0.0, "high": 0.0} for k in (1, 5, 10)}


def test_a_difference_is_that_of_the_recalls(kept: Path, run: Mapping[Direction, Rankings]) -> None:
    deeper = rankings(shortlist=40)
    report = differences(KeptRanks.load(kept, PHOTOS), deeper)
    for way, ranking in deeper.items():
        for name in ("shortlist", "itm", "rerank"):
            for k in (1, 5, 10):
                now, then = (ranking.ranks[name] < k), (run[way].ranks[name] < k)
                gain = report[way][name][f"r@{k}"]
                assert gain["gain"] == pytest.approx(100 * (now.mean() - then.mean()), abs=0.006)
                assert gain["low"] <= gain["gain"] <= gain["high"]
        assert report[way]["shortlist"]["r@1"]["high"] == 0
    changed = report["text_to_image"]["itm"]["r@10"]
    assert changed["low"] < changed["high"], "the two runs differ"


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (PHOTOS[:-1], "is about 100 photos, not these 99"),
        ([*PHOTOS[:-1], replace(PHOTOS[-1], key="new")], "the first that differs is photo-99, here new"),
        ([PHOTOS[1], PHOTOS[0], *PHOTOS[2:]], "the first that differs is photo-0, here photo-1"),
        ([photo.with_captions(2) for photo in PHOTOS], "other captions of 50 photos, photo-1 the first"),
    ],
)
def test_other_queries_are_refused(kept: Path, others: list[CaptionedPhoto], message: str) -> None:
    with pytest.raises(ComparisonError, match=rf"a\.npz .*{message}.* --data, --split and --captions"):
        KeptRanks.load(kept, others)


def test_a_file_that_holds_no_ranks_is_named(tmp_path: Path, kept: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", keys=np.zeros(3))
    (tmp_path / "text.npz").write_text("ranks")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.npz").write_bytes(kept.read_bytes()[:500])
    np.savez(tmp_path / "pickled.npz", keys=np.array([{}], dtype=object))
    names = ("array.npy", "other.npz", "text.npz", "empty.npz", "cut.npz", "pickled.npz")
    for name in names:
        with pytest.raises(ComparisonError, match=rf"{name} does not hold the ranks of a run"):
            KeptRanks.load(tmp_path / name, PHOTOS)
