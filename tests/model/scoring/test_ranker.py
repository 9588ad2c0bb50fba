"""How a score is made of its parts, and a match of the score."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runtime.protocol import EncodedImages, EncodedText
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.querybank import Querybank
from model.scoring.ranker import Ranker
from model.scoring.sentence_length import completeness
from model.scoring.word_detectors import WordDetectors
from tests.model.numbered import Known, caption, numbered, processor

COUNTS = [2, 1, 3, 1, 1, 2]
WORDS, CLS, SEP = np.arange(10), 101, 102


@pytest.fixture
def runtime() -> Known:
    return Known(COUNTS)


@pytest.fixture
def parameters(runtime: Known) -> ScoringParameters:
    """A part of each kind counts; features are those of the runtime."""
    random, width = np.random.default_rng(0), runtime.photos.shape[1]
    return ScoringParameters(
        Calibration(
            similarity_scale=0.5, log_odds_scale=0.25, match_scale=0.1, match_bias=-1.0, match_prior_scale=0.05
        ),
        Querybank(random.normal(0, 0.05, (5, width)).astype(np.float32)),
        WordDetectors(
            WORDS, *(random.normal(0, 0.1, shape).astype(np.float32) for shape in ((len(WORDS), width), 10, 10))
        ),
    )


@pytest.fixture
def photos(runtime: Known) -> EncodedImages:
    return runtime.encode_image([photo.decode(processor().image_processor) for photo in numbered(COUNTS)])


def sentence(runtime: Known, number: int, *words: int) -> EncodedText:
    text = runtime.encode_text([caption(number, 0)])
    return EncodedText(text.embeddings, text.word_features, [np.array([CLS, *words, SEP], dtype=np.int64)])


def by_hand(
    runtime: Known, parameters: ScoringParameters, number: int, words: list[int]
) -> dict[str, NDArray[np.float32]]:
    row = runtime.owner.tolist().index(number)
    detected = parameters.detectors.detect(runtime.photos)
    weight = completeness(np.array([len(words)], dtype=np.float32))[0]
    return {
        "similarity": runtime.similarities[row],
        "hubness": parameters.querybank.hubness(runtime.photos),
        "log_odds": detected.log_odds[:, words].sum(axis=1) / weight + weight * detected.absent_log_odds,
        "itm_logits": runtime.logits[row],
    }


def test_a_score_is_the_scaled_sum_of_its_parts(
    runtime: Known, parameters: ScoringParameters, photos: EncodedImages
) -> None:
    scored = Ranker(runtime, parameters).score(sentence(runtime, 2, 3, 4), photos)
    parts = by_hand(runtime, parameters, 2, [3, 4])
    for name, values in parts.items():
        assert getattr(scored.parts, name) == pytest.approx(values, abs=1e-4), name
    whole = parts["itm_logits"] + 0.5 * (parts["similarity"] - parts["hubness"])
    weight = 0.25**0.8  # of two words, where eight are complete
    expected = 0.25 * parts["log_odds"] + weight * whole
    assert scored.scores == pytest.approx(expected, abs=1e-4)
    prior = parameters.detectors.prior_logits[[3, 4]].sum() / weight
    assert scored.match == pytest.approx(1 / (1 + np.exp(1.0 - 0.05 * prior - 0.1 * expected)), abs=1e-5)
    assert scored.scores.dtype == scored.match.dtype == np.float32


@pytest.mark.parametrize("left_out", [["hubness"], ["detectors"], ["joint"], ["joint", "detectors", "hubness"]])
def test_a_part_that_is_left_out_counts_for_nothing(
    runtime: Known, parameters: ScoringParameters, photos: EncodedImages, left_out: list[str]
) -> None:
    parts = by_hand(runtime, parameters, 1, [7])
    itm_logits = 0 if "joint" in left_out else parts["itm_logits"]
    log_odds = 0 if "detectors" in left_out else parts["log_odds"]
    hubness = 0 if "hubness" in left_out else parts["hubness"]
    whole = itm_logits + 0.5 * (parts["similarity"] - hubness)
    expected = 0.25 * log_odds + (1 / 8) ** 0.8 * whole
    text, everything = sentence(runtime, 1, 7), Ranker(runtime, parameters).score(sentence(runtime, 1, 7), photos)
    before = runtime.matched
    ranker = Ranker(runtime, parameters, **dict.fromkeys(left_out, False))
    assert ranker.score(text, photos).scores == pytest.approx(expected, abs=1e-4)
    assert (runtime.matched > before) == ("joint" not in left_out), "the joint pass is saved"
    assert ranker.combine(everything.parts) == pytest.approx(expected, abs=1e-4), "parts can be computed once for all"


def test_prepared_photos_are_scored_like_photos_that_are_not(
    runtime: Known, parameters: ScoringParameters, photos: EncodedImages
) -> None:
    ranker, text = Ranker(runtime, parameters), sentence(runtime, 0, 1, 2)
    prepared, rows = ranker.prepare(photos), np.array([4, 1, 4])
    at_once = ranker.score(text, photos).scores
    assert ranker.score(text, prepared).scores.tolist() == at_once.tolist()
    assert ranker.score(text, prepared, rows).scores.tolist() == at_once[rows].tolist()
    assert ranker.score(text.select([0, 0, 0]), prepared, rows).scores == pytest.approx(at_once[rows], abs=1e-5)
    assert ranker.score(text, prepared.part(1, 3)).scores.tolist() == at_once[1:3].tolist()


def test_as_many_sentences_as_photos_or_one(
    runtime: Known, parameters: ScoringParameters, photos: EncodedImages
) -> None:
    two = sentence(runtime, 0, 1).select([0, 0])
    for joint in (True, False):
        with pytest.raises(ValueError, match="2 sentences cannot be matched with 6 photos"):
            Ranker(runtime, parameters, joint=joint).score(two, photos)


def test_weights_that_were_never_calibrated_rank_by_the_joint_pass_and_without_it_by_similarity(
    runtime: Known, photos: EncodedImages
) -> None:
    text = sentence(runtime, 3, *range(8))
    assert Ranker(runtime).score(text, photos).scores.tolist() == runtime.logits[6].tolist()
    assert Ranker(runtime, joint=False).score(text, photos).scores.tolist() == runtime.similarities[6].tolist()


def test_of_a_short_sentence_its_own_words_count_for_more_and_the_rest_for_less(
    runtime: Known, parameters: ScoringParameters, photos: EncodedImages
) -> None:
    ranker, words = Ranker(runtime, parameters), WORDS[:8].tolist()
    detected = parameters.detectors.detect(runtime.photos)
    for count in (1, 2, 4, 8, 10):
        text = sentence(runtime, 3, *(words[:1] * count))  # one word, said again and again, is one word of evidence
        said, weight = detected.log_odds[:, words[0]], min(1.0, count / 8) ** 0.8
        full = ranker.score(sentence(runtime, 3, *(words[:1] * 8)), photos).scores - 0.25 * said
        expected = 0.25 * said / weight + weight * full
        assert ranker.score(text, photos).scores == pytest.approx(expected, abs=1e-3), count


def test_equal_photos_get_equal_scores_whatever_stands_beside_them(parameters: ScoringParameters) -> None:
    random = np.random.default_rng(1)
    embeddings = random.normal(0, 1, (33, 24)).astype(np.float32)
    embeddings[[5, 17, 32]] = embeddings[0]
    photos = EncodedImages(embeddings, list(np.ones((33, 1, 24), dtype=np.float32)), embeddings)
    runtime = Known(COUNTS)
    similarity = Ranker(runtime, parameters).score(sentence(runtime, 0), photos).parts.similarity
    assert len(set(similarity[[0, 5, 17, 32]].tolist())) == 1


def test_a_rise_of_the_match_is_a_rise_of_the_score(runtime: Known, parameters: ScoringParameters) -> None:
    ranker, scores = Ranker(runtime, parameters), np.array([-3.0, 0.0, 8.0], dtype=np.float32)
    prior = np.full(3, -5.0, dtype=np.float32)
    lifted = ranker.match(scores + ranker.score_of_logits(np.full(3, 2.0, dtype=np.float32)), prior)
    before = ranker.match(scores, prior)
    assert np.log(lifted / (1 - lifted)) - np.log(before / (1 - before)) == pytest.approx([2.0] * 3, abs=1e-3)
