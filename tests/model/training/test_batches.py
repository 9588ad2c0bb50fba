"""Which photos a training step sees: every photo once an epoch, captions of like length together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.processor import TextInputs
from model.training.batches import Batches
from model.training.hard_negatives import draw_groups, nearest_photos

PHOTOS, BATCH = 100, 8


def lengths() -> list[NDArray[np.int64]]:
    random = np.random.default_rng(0)
    return [random.integers(5, 30, size=random.integers(1, 6)) for _ in range(PHOTOS)]


def epoch(batches: Batches, number: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    return [batches[step] for step in range(number * len(batches), (number + 1) * len(batches))]


def test_no_photo_comes_twice_in_an_epoch_and_all_come_in_turn() -> None:
    batches = Batches(lengths(), BATCH, seed=0)
    seen: set[int] = set()
    for number in range(8):
        rows = np.concatenate([rows for rows, _ in epoch(batches, number)])
        assert len(rows) == len(set(rows.tolist())) == PHOTOS // BATCH * BATCH
        seen |= set(rows.tolist())
    assert seen == set(range(PHOTOS))


def test_every_caption_of_a_photo_comes_in_turn() -> None:
    batches, found = Batches(lengths(), BATCH, seed=0), set()
    for number in range(60):
        for rows, captions in epoch(batches, number):
            found |= set(zip(rows.tolist(), captions[:, 0].tolist(), strict=True))
    assert found == {(row, caption) for row, some in enumerate(lengths()) for caption in range(len(some))}


def test_photos_go_by_their_ids() -> None:
    photo_ids = np.arange(PHOTOS) * 7
    for (rows, captions), (plain, same) in zip(
        epoch(Batches(lengths(), BATCH, seed=0, photo_ids=photo_ids), 0),
        epoch(Batches(lengths(), BATCH, seed=0), 0),
        strict=True,
    ):
        assert np.array_equal(rows, photo_ids[plain])
        assert np.array_equal(captions, same)


def test_captions_of_like_length_share_a_batch() -> None:
    drawn = epoch(Batches(lengths(), BATCH, seed=0), 0)
    tokens = [
        np.array([lengths()[row][caption] for row, caption in zip(rows, captions[:, 0], strict=True)])
        for rows, captions in drawn
    ]
    padding = 1 - sum(one.sum() for one in tokens) / sum(one.max() * len(one) for one in tokens)
    assert padding < 0.15
    assert [one.max() for one in tokens] != sorted(one.max() for one in tokens)  # but not short ones first


def test_a_step_is_the_same_whenever_it_is_taken() -> None:
    forward, backward = Batches(lengths(), BATCH, seed=3), Batches(lengths(), BATCH, seed=3)
    steps = range(3 * len(forward))
    expected = [np.column_stack(forward[step]) for step in steps]
    for step in reversed(steps):
        assert np.array_equal(np.column_stack(backward[step]), expected[step])
    assert not np.array_equal(np.column_stack(Batches(lengths(), BATCH, seed=4)[0]), expected[0])


def test_a_photo_brings_several_captions_and_none_twice_before_all_have_come() -> None:
    for rows, captions in epoch(Batches(lengths(), BATCH, seed=0, captions_per_photo=3), 0):
        assert captions.shape == (BATCH, 3)
        for row, some in zip(rows, captions, strict=True):
            assert len(set(some.tolist())) == min(3, len(lengths()[row]))
            assert some.max() < len(lengths()[row])


def test_fewer_photos_than_a_batch_are_one_batch() -> None:
    batches = Batches(lengths()[:5], BATCH, seed=0)
    assert len(batches) == 1
    assert sorted(batches[0][0].tolist()) == [0, 1, 2, 3, 4]


def captions(*, padded: int = 0) -> list[TextInputs]:
    """Of photos of ten kinds: a word of their kind, and others at random; 0 and 1 stand for special tokens.

    Those of the first `padded` photos differ in length, so that the shorter ones are padded with 99.
    """
    random = np.random.default_rng(0)
    words = random.integers(20, 60, size=(PHOTOS, 3, 4))
    kind = np.broadcast_to((2 + np.arange(PHOTOS) % 10)[:, None, None], (PHOTOS, 3, 1))
    tokens = np.concatenate([np.zeros_like(kind), kind, words, np.ones_like(kind)], axis=2)
    mask = np.ones(tokens.shape, dtype=np.bool_)
    mask[:padded, 1:, -1] = False
    tokens[~mask] = 99
    return [{"input_ids": ids, "attention_mask": of_ids} for ids, of_ids in zip(tokens, mask, strict=True)]


def test_captions_of_unequal_length_make_no_photos_alike() -> None:
    assert np.array_equal(nearest_photos(captions(padded=10), 9), nearest_photos(captions(), 9))


def test_photos_whose_captions_share_rare_words_are_near() -> None:
    nearest = nearest_photos(captions(), 9)
    assert nearest.shape == (PHOTOS, 9)
    assert not (nearest == np.arange(PHOTOS)[:, None]).any()
    assert (nearest[:, :4] % 10 == np.arange(PHOTOS)[:, None] % 10).mean() > 0.5  # by chance a tenth


def test_a_batch_of_groups_holds_photos_alike() -> None:
    nearest = nearest_photos(captions(), 16)
    batches = Batches(lengths(), BATCH, seed=0, group_size=4, nearest=nearest)
    beside = []
    for number in range(8):
        rows = [rows for rows, _ in epoch(batches, number)]
        assert len(set(np.concatenate(rows).tolist())) == PHOTOS // BATCH * BATCH  # every photo once all the same
        beside += [np.isin(nearest[row], others).sum() for others in rows for row in others]
    apart = Batches(lengths(), BATCH, seed=0)
    alone = [
        np.isin(nearest[row], rows).sum() for number in range(8) for rows, _ in epoch(apart, number) for row in rows
    ]
    assert np.mean(beside) > 2 * np.mean(alone)


def test_groups_are_of_at_most_the_size_asked_for_and_hold_only_what_is_near_their_first() -> None:
    nearest = nearest_photos(captions(), 6)
    found = draw_groups(np.random.default_rng(0), nearest, 4)
    assert sorted(np.concatenate(found).tolist()) == list(range(PHOTOS))
    assert {len(some) for some in found} <= {1, 2, 3, 4}
    assert all(np.isin(some[1:], nearest[some[0]]).all() for some in found)
