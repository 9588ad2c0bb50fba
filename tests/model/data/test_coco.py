"""COCO's test split as the literature has it: 5,000 photos, 25,010 captions, five folds, ECCV Caption and CxC.

Imported from a file in Karpathy's format by the real importer, and evaluated with vectors known by heart. The numbers
of photos and captions are COCO's own, from the package with the labels, so that those can be computed again by hand.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.importing import import_photos
from model.data.karpathy import read_karpathy
from model.data.shards import CaptionedPhoto, read_shards
from model.evaluation.eccv import GroundTruth, GroundTruthError
from model.evaluation.report import evaluate
from model.evaluation.tables import markdown, text
from model.metrics import recall
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.ranker import Ranker
from tests.model.numbered import Known, caption, picture, processor

DEPTH = 8
PARAMETERS = ScoringParameters(Calibration(similarity_scale=0.5))
DIRECTIONS = ("text_to_image", "image_to_text")


def labels(name: str) -> dict[int, list[int]]:
    """A table of the package: a caption or photo, and what is right for it."""
    spec = find_spec("eccv_caption")
    assert spec is not None
    assert spec.origin is not None
    table = json.loads((Path(spec.origin).parent / "data" / f"{name}.json").read_text())
    found: dict[int, list[int]] = {int(query): list(map(int, right)) for query, right in table.items()}
    return found


@pytest.fixture(scope="module")
def captions_of() -> dict[int, list[int]]:
    """COCO's numbers of the 25,010 captions of 5,000 photos, in a shuffled order; ten have six."""
    own = labels("original_image_to_caption")
    numbers = np.random.default_rng(0).permutation(list(own)).tolist()
    six = numbers[::500]
    return {number: own[number] + ([9_000_000 + number] if number in six else []) for number in numbers}


@pytest.fixture(scope="module")
def photos(captions_of: dict[int, list[int]], tmp_path_factory: pytest.TempPathFactory) -> list[CaptionedPhoto]:
    folder = tmp_path_factory.mktemp("coco")
    (folder / "val2014").mkdir()
    images = []
    for row, (number, caption_ids) in enumerate(captions_of.items()):
        name = f"COCO_val2014_{number:012}.jpg"
        (folder / "val2014" / name).write_bytes(picture(row))
        sentences = [{"raw": caption(row, which), "sentid": sentid} for which, sentid in enumerate(caption_ids)]
        images.append(
            {"filename": name, "filepath": "val2014", "split": "test", "cocoid": number, "sentences": sentences}
        )
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    sources = read_karpathy(folder / "dataset_coco.json", folder, "coco")
    report = import_photos(sources, folder / "shards", dataset="coco", short_side=384, progress=False)
    return read_shards([Path(shard) for shard in report.shards], "test")


@pytest.fixture(scope="module")
def runtime(captions_of: dict[int, list[int]]) -> Known:
    return Known([len(captions) for captions in captions_of.values()], spread=300)


@pytest.fixture(scope="module")
def report(photos: list[CaptionedPhoto], runtime: Known) -> dict[str, Any]:
    return evaluate(Ranker(runtime, PARAMETERS), photos, processor(), shortlists=[DEPTH], fold=1000, eccv=True).report


def test_there_are_25010_captions_and_25000_with_five_of_each(
    photos: list[CaptionedPhoto], report: dict[str, Any], captions_of: dict[int, list[int]]
) -> None:
    assert [(photo.coco_id, list(photo.caption_ids)) for photo in photos] == list(captions_of.items())
    assert (report["photos"], report["captions"]) == (5000, 25_010)
    assert (report["text_to_image"]["queries"], report["image_to_text"]["queries"]) == (25_010, 5000)
    assert sum(len(photo.with_captions(5).captions) for photo in photos) == 25_000


def nearest_first(similarities: NDArray[np.float32], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Candidates by similarity, which is a whole number; a right one comes last among equals."""
    return np.argsort(-2.0 * similarities.astype(np.float64) + right, axis=-1)


def reranked(nearest: NDArray[np.int64], fused: NDArray[np.float32], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """One query's candidates: the head sorted again by the score of the rerank, the others behind it."""
    head = sorted(nearest[:DEPTH].tolist(), key=lambda one: (-fused[one], right[one]))
    return np.concatenate([head, nearest[DEPTH:]])


def test_the_folds_are_consecutive_thousands_each_ranked_alone(report: dict[str, Any], runtime: Known) -> None:
    folds = report["folds"]
    assert (folds["count"], folds["photos"]) == (5, 1000)
    means: dict[str, list[dict[str, float]]] = defaultdict(list)
    for first in range(0, 5000, 1000):
        captions = np.flatnonzero((runtime.owner >= first) & (runtime.owner < first + 1000))
        photos = slice(first, first + 1000)
        similarities = runtime.captions[captions] @ runtime.photos[photos].T
        logits = runtime.words[captions] @ runtime.pixels[photos].T
        right = runtime.owner[captions, None] == np.arange(first, first + 1000)
        fused = logits + np.float32(0.5) * similarities
        for way, (near, score, own) in zip(
            DIRECTIONS, ((similarities, fused, right), (similarities.T, fused.T, right.T)), strict=True
        ):
            orders = [reranked(*query) for query in zip(nearest_first(near, own), score, own, strict=True)]
            by_rerank = [int(one[order].argmax()) for order, one in zip(orders, own, strict=True)]
            means[f"{way} rerank"].append(recall(np.array(by_rerank)))
            # How many wrong ones score at least as high as the best right one.
            best = np.where(own, near, -np.inf).max(axis=1)
            by_similarity = [int(((row >= top) & ~one).sum()) for row, top, one in zip(near, best, own, strict=True)]
            means[f"{way} shortlist"].append(recall(np.array(by_similarity)))
    for way in DIRECTIONS:
        for name in ("shortlist", "rerank"):
            for figure in ("r@1", "r@5", "r@10", "median_rank"):
                mean = np.mean([one[figure] for one in means[f"{way} {name}"]])
                assert folds[way][name][figure] == pytest.approx(mean, abs=0.011), f"{way} by {name}: {figure}"
        assert 0 < report[way]["shortlist"]["r@1"] < folds[way]["shortlist"]["r@1"] < 100


def judged(order: Sequence[int], right: set[int]) -> tuple[float, float, float]:
    """mAP@R, R-Precision and R@1 of one ranking, by their definitions."""
    hits = [one in right for one in order[: len(right)]]
    precisions = [sum(hits[: r + 1]) / (r + 1) for r in range(len(right))]
    return sum(p for p, hit in zip(precisions, hits, strict=True) if hit) / len(right), precisions[-1], float(hits[0])


class Direction:
    """One direction, with COCO's numbers and by hand."""

    def __init__(self, way: str, runtime: Known, captions_of: dict[int, list[int]]) -> None:
        photos = list(captions_of), runtime.photos, runtime.pixels, np.arange(5000)
        captions = [one for few in captions_of.values() for one in few], runtime.captions, runtime.words, runtime.owner
        asked, found = (captions, photos) if way == "text_to_image" else (photos, captions)
        self.ids, self.vectors, self.states, self.photos = found
        self.known = np.array(self.ids) < 9_000_000  # the labels know five captions of each
        self.queries = dict(zip(asked[0], zip(*asked[1:], strict=True), strict=True))

    def similarities(self, query: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.vectors @ self.queries[query][0]
        return found

    def ranked(self, query: int, name: str) -> list[int]:
        near, (_, states, photo) = self.similarities(query), self.queries[query]
        right = self.photos == photo
        first = np.flatnonzero(near >= np.partition(near, -100)[-100])  # no measure looks further
        nearest = first[nearest_first(near[first], right[first])]
        score = near if name == "shortlist" else self.states @ states + np.float32(0.5) * near
        return [self.ids[one] for one in reranked(nearest, score, right) if self.known[one]]


@pytest.mark.parametrize("way", DIRECTIONS)
def test_eccv_and_cxc_are_what_their_definitions_say(
    way: str, report: dict[str, Any], runtime: Known, captions_of: dict[int, list[int]]
) -> None:
    found, direction = report["eccv"][way], Direction(way, runtime, captions_of)
    table = "caption_to_image" if way == "text_to_image" else "image_to_caption"
    eccv, cxc = labels(f"eccv_{table}"), labels(f"cxc_{table}")
    assert (found["eccv_queries"], found["cxc_queries"]) == (len(eccv), len(cxc))
    for name in ("shortlist", "rerank"):
        scores = [judged(direction.ranked(query, name), set(right)) for query, right in eccv.items()]
        for figure, score in zip(("eccv_map_at_r", "eccv_rprecision", "eccv_r1"), np.mean(scores, axis=0), strict=True):
            assert found[name][figure] == pytest.approx(100 * score, abs=0.02), f"{name}: {figure}"
            assert score > 0
    row_of = {number: row for row, number in enumerate(direction.ids)}
    ranks = []
    for query, right in cxc.items():
        similarities = direction.similarities(query)
        best = similarities[[row_of[one] for one in right]].max()
        ranks.append(int((similarities[direction.known] > best).sum()))
    for k in (1, 5, 10):
        assert found["shortlist"][f"cxc_r{k}"] == pytest.approx(100 * np.mean(np.array(ranks) < k), abs=0.02)


def test_both_renderings_say_how_many_were_asked(report: dict[str, Any]) -> None:
    named = {
        "weights": "known",
        "data": ["coco-000.tar"],
        "split": "test",
        "device": "cpu",
        "captions_in_shards": 25_010,
    }
    for rendering in (text({**report, **named}), markdown({**report, **named})):
        assert "known on 5,000 photos with 25,010 captions: split test of coco-000.tar" in rendering
        assert "Mean of 5 folds, consecutive blocks of 1,000 photos" in rendering
        assert (
            "Queries of ECCV Caption: 1,332 captions and 1,261 photos. Queries of CxC: 24,972 and 5,000." in rendering
        )
        assert f"{report['eccv']['image_to_text']['itm']['cxc_r10']:.1f}" in rendering


def test_photos_that_the_labels_are_not_about_are_refused(photos: list[CaptionedPhoto]) -> None:
    with pytest.raises(
        GroundTruthError, match=r"all 5,000 .* here are 4,999 photos, and 5 of those captions are missing"
    ):
        GroundTruth(photos[1:])
    with pytest.raises(GroundTruthError, match="1 of 5,000 photos lack: import them anew"):
        GroundTruth([replace(photos[0], caption_ids=()), *photos[1:]])
    with pytest.raises(GroundTruthError, match="1 of 5,000 photos lack: import them anew"):
        GroundTruth([*photos[1:], replace(photos[0], coco_id=None)])
    other = replace(photos[1], caption_ids=photos[2].caption_ids)  # the numbers of another photo's captions
    with pytest.raises(GroundTruthError, match="5,000 photos, and 5 of those captions are missing"):
        GroundTruth([photos[0], other, *photos[2:]])


def test_a_missing_package_is_named_with_its_command(
    photos: list[CaptionedPhoto], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "eccv_caption", None)
    with pytest.raises(GroundTruthError, match="pip install eccv_caption"):
        GroundTruth(photos)
