"""What is learned of a word from a few photos, on made-up photo vectors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model.scoring.taught_detector import MAX_EXAMPLES, MAX_LOG_ODDS, Background, TaughtDetector

EMBEDDING, OWN, PROJECTED, WIDTH = 16, 16, 24, 48
BLOCKS = (slice(0, EMBEDDING), slice(OWN + 1, OWN + 1 + PROJECTED))


def photos(count: int, seed: int, *, word: float = 0.0) -> NDArray[np.float32]:
    """Vectors of photos that show the word so clearly: unit embeddings, the photo's own number, features, zeros."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, WIDTH))
    vectors[:, :4] *= 3  # what photos differ by most says nothing of the word
    vectors[:, 6] += word
    vectors[:, OWN + 5] += word
    vectors[:, :EMBEDDING] /= np.linalg.norm(vectors[:, :EMBEDDING], axis=1, keepdims=True)
    vectors[:, OWN] *= 1000
    vectors[:, OWN + 1 + PROJECTED :] = 0
    return vectors.astype(np.float16).astype(np.float32)


OTHERS, SHOWN = photos(600, 0), photos(40, 1, word=3)
BACKGROUND = Background.of(np.concatenate([OTHERS, SHOWN]), BLOCKS)
NONE = SHOWN[:0]


def learned(shown: NDArray[np.float32], not_shown: NDArray[np.float32] = NONE) -> TaughtDetector:
    return TaughtDetector.learn(BACKGROUND, shown, not_shown)


def test_photos_that_show_the_word_get_higher_log_odds_than_others() -> None:
    detector = learned(SHOWN[:5])
    shown, others = detector.log_odds(SHOWN[5:]), detector.log_odds(OTHERS)
    assert np.mean(shown[:, None] > others) > 0.95
    assert np.median(shown) > 1 > -1 > np.median(others)


def test_log_odds_are_one_inner_product_which_leaves_out_what_says_nothing_of_a_photo() -> None:
    detector = learned(SHOWN[:5])
    expected = np.minimum(OTHERS @ detector.weights + detector.bias, MAX_LOG_ODDS)
    np.testing.assert_allclose(detector.log_odds(OTHERS), expected, atol=1e-4)
    assert detector.weights[OWN] == 0
    assert not detector.weights[OWN + 1 + PROJECTED :].any()


def test_the_more_photos_show_it_the_surer_it_is() -> None:
    separations = [learned(SHOWN[:count]).separation for count in (1, 3, 10, 40)]
    assert separations == sorted(separations)


def test_what_is_said_of_an_example_was_learned_without_it() -> None:
    odd = OTHERS[:1]
    detector = learned(np.concatenate([SHOWN[:6], odd]))
    without = learned(SHOWN[:6])
    assert detector.shown[6] < detector.shown[:6].min()
    assert abs(detector.shown[6] - without.log_odds(odd)[0]) < 1.0


def test_photos_that_do_not_show_it_are_pushed_down_and_those_like_them() -> None:
    shown, alike = photos(60, 3, word=4), photos(60, 2, word=4)
    alike[:, OWN + 9] += 4
    before, after = learned(shown[:30]), learned(shown[:30], alike[:30])

    def lead(detector: TaughtDetector) -> float:
        """Of photos that show it over those like them, in standard deviations of others."""
        difference = detector.log_odds(shown[30:]).mean() - detector.log_odds(alike[30:]).mean()
        return float(difference / detector.log_odds(OTHERS).std())

    assert lead(after) > lead(before)
    assert after.not_shown.mean() < before.log_odds(alike[:30]).mean()


def test_near_copies_count_as_one_photo() -> None:
    copies = np.repeat(SHOWN[:1], 20, axis=0)
    detector = learned(np.concatenate([copies, SHOWN[1:4]]))
    np.testing.assert_allclose(detector.weights, learned(SHOWN[:4]).weights, rtol=1e-3, atol=1e-5)
    assert np.isnan(learned(copies).shown).all(), "nothing is left to learn from without it and its copies"


def test_photos_without_anything_in_common_give_weak_evidence() -> None:
    detector = learned(OTHERS[:8], OTHERS[8:16])
    assert detector.separation < learned(SHOWN[:8]).separation
    assert np.abs(detector.log_odds(OTHERS)).max() < 4


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_library_of_few_photos_teaches_it_too(count: int) -> None:
    few = np.concatenate([OTHERS[:count], SHOWN[:3]])
    detector = TaughtDetector.learn(Background.of(few, BLOCKS), SHOWN[:3], NONE)
    assert np.isfinite(detector.weights).all()
    assert detector.log_odds(SHOWN[:3]).min() > detector.log_odds(OTHERS[:count]).max()


def test_a_library_of_one_photo_or_of_equal_ones_does_no_harm() -> None:
    for vectors in (SHOWN[:1], np.repeat(SHOWN[:1], 5, axis=0), np.zeros((4, WIDTH), dtype=np.float32)):
        detector = TaughtDetector.learn(Background.of(vectors, BLOCKS), vectors[:1], vectors[1:2])
        assert np.isfinite(detector.weights).all()
        assert np.isfinite(detector.log_odds(vectors)).all()


def test_of_many_examples_it_reads_some_of_all() -> None:
    many = photos(5 * MAX_EXAMPLES, 3, word=3)
    detector = learned(many, OTHERS)
    assert len(detector.shown) == len(detector.not_shown) == MAX_EXAMPLES
    assert np.median(detector.log_odds(many)) > 1


def test_embeddings_alone_are_learned_from_where_weights_have_nothing_else() -> None:
    background = Background.of(OTHERS[:, :EMBEDDING], (slice(0, EMBEDDING),))
    detector = TaughtDetector.learn(background, SHOWN[:5, :EMBEDDING], NONE[:, :EMBEDDING])
    scores = [np.median(detector.log_odds(vectors[:, :EMBEDDING])) for vectors in (SHOWN[5:], OTHERS)]
    assert scores[0] > scores[1] + 1
