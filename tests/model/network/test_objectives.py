"""The objectives, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.network.objectives import (
    IGNORED,
    draw_negatives,
    duplicate_captions,
    hardest_negatives,
    itc_loss,
    itm_balanced_loss,
    itm_listwise_loss,
    itm_sigmoid_loss,
    mask_words,
    words_loss,
)

NONE = torch.zeros(100, 100, dtype=torch.bool)


def own(count: int, captions: int = 1) -> Tensor:
    """Whose caption each is: first one of every photo, then another, ..."""
    return torch.arange(count).repeat(captions)


def test_itc_of_equal_similarities_is_chance() -> None:
    assert itc_loss(torch.zeros(8, 8), own(8), NONE[:8, :8]).item() == pytest.approx(math.log(8))


def test_itc_of_a_clear_diagonal_is_nothing() -> None:
    assert itc_loss(50 * torch.eye(8), own(8), NONE[:8, :8]).item() < 1e-6


def test_itc_with_a_caption_a_photo_is_the_cross_entropy_of_rows_and_columns() -> None:
    torch.manual_seed(0)
    similarities = torch.randn(6, 6)
    both = functional.cross_entropy(similarities, own(6)) + functional.cross_entropy(similarities.T, own(6))
    assert itc_loss(similarities, own(6), NONE[:6, :6]).item() == pytest.approx(both.item() / 2)


def test_captions_of_one_photo_are_positives_of_it_and_no_negatives_of_each_other() -> None:
    similarities = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 5.0]])  # captions of photo 0, 1, 0, 1
    by_caption = sum(math.log(1 + math.exp(-margin)) for margin in (3, 2, 1, 5)) / 4
    # A photo tells each of its captions from the two of the other photo, whose similarity to it is 0.
    by_photo = sum(math.log(1 + 2 * math.exp(-positive)) for positive in (3, 2, 1, 5)) / 4
    assert itc_loss(similarities, own(2, 2), NONE[:4, :2]).item() == pytest.approx((by_caption + by_photo) / 2)


def test_itc_has_a_gradient_where_every_other_photo_is_a_duplicate() -> None:
    similarities = torch.zeros(2, 2, requires_grad=True)
    itc_loss(similarities, own(2), ~torch.eye(2, dtype=torch.bool)).backward()
    assert similarities.grad is not None
    assert similarities.grad.isfinite().all()


def test_itm_losses_by_hand() -> None:
    positive, negatives = torch.tensor([1.0]), torch.tensor([[0.0, -1.0]])
    listwise = -math.log(math.e / (math.e + 1 + 1 / math.e))
    assert itm_listwise_loss(positive, negatives).item() == pytest.approx(listwise)
    sigmoid = (math.log(1 + math.exp(-1)) + (math.log(2) + math.log(1 + math.exp(-1))) / 2) / 2
    assert itm_sigmoid_loss(positive, negatives).item() == pytest.approx(sigmoid)


def test_a_listwise_loss_ignores_what_is_constant_and_a_sigmoid_loss_does_not() -> None:
    positive, negatives = torch.tensor([1.0]), torch.tensor([[0.0, -1.0]])
    assert torch.allclose(itm_listwise_loss(positive, negatives), itm_listwise_loss(positive + 9, negatives + 9))
    assert itm_sigmoid_loss(positive + 9, negatives + 9) > itm_sigmoid_loss(positive, negatives) + 1


@pytest.mark.parametrize("hardness", [0.0, 0.5, 1.0])
def test_no_negative_shows_the_photo_itself_and_none_is_drawn_twice(hardness: float) -> None:
    torch.manual_seed(0)
    similarities = 30 * torch.eye(16) + torch.randn(16, 16)
    for _ in range(20):
        drawn = draw_negatives(similarities, 5, hardness, NONE[:16, :16])
        assert drawn.shape == (16, 5)
        assert not (drawn == torch.arange(16)[:, None]).any()
        assert all(len(set(row.tolist())) == 5 for row in drawn)


def test_photos_with_the_same_caption_are_no_negatives_of_each_other() -> None:
    torch.manual_seed(0)
    input_ids = torch.tensor([[2, 5, 3], [2, 6, 3], [2, 5, 3], [2, 7, 3]])
    same = duplicate_captions(input_ids, own(4))
    assert same.nonzero().tolist() == [[0, 2], [2, 0]]
    for _ in range(50):
        drawn = draw_negatives(torch.zeros(4, 4), 2, 1.0, same)
        assert drawn[0].sort().values.tolist() == drawn[2].sort().values.tolist() == [1, 3]
    similarities = 50 * (torch.eye(4) + same)
    assert itc_loss(similarities, own(4), same).item() < 1e-6 < itc_loss(similarities, own(4), NONE[:4, :4]).item()


def test_a_twin_is_known_by_any_of_its_captions() -> None:
    input_ids = torch.tensor([[5], [6], [7], [5]])  # captions of photo 0, 1, 0, 1: the last is the first again
    assert duplicate_captions(input_ids, own(2, 2)).tolist() == [
        [False, True],
        [False, False],
        [False, False],
        [True, False],
    ]


def test_the_balanced_loss_by_hand() -> None:
    logits, true = torch.tensor([2.0, -1.0]), torch.tensor([True, False])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert itm_balanced_loss(logits, true).item() == pytest.approx(expected)


def test_the_hardest_negatives_are_those_that_score_highest() -> None:
    assert hardest_negatives(torch.tensor([[0.0, 3.0, 1.0], [2.0, -1.0, 0.0]]), 2).tolist() == [[1, 2], [0, 2]]
    assert hardest_negatives(torch.zeros(2, 3), 5).shape == (2, 3)


def test_negatives_go_from_uniform_to_hard() -> None:
    torch.manual_seed(0)
    similarities = torch.zeros(100, 100)
    similarities[:, 1] = 8.0  # photo 1 is the hardest negative of every sentence but its own
    share = [
        (draw_negatives(similarities, 1, hardness, NONE)[2:] == 1).float().mean().item() for hardness in (0.0, 1.0)
    ]
    assert share[0] < 0.1
    assert share[1] > 0.9


def test_words_are_masked_as_in_bert() -> None:
    torch.manual_seed(0)
    input_ids = torch.randint(5, 100, (400, 50))
    maskable = torch.ones_like(input_ids, dtype=torch.bool)
    maskable[:, 0] = False
    masked, labels = mask_words(input_ids, maskable, mask_id=4, vocab_size=100)
    chosen = labels != IGNORED
    assert not chosen[:, 0].any()
    assert chosen[:, 1:].float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert torch.equal(labels[chosen], input_ids[chosen])
    assert torch.equal(masked[~chosen], input_ids[~chosen])
    assert (masked[chosen] == 4).float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert (masked[chosen] == input_ids[chosen]).float().mean().item() == pytest.approx(0.1, abs=0.02)


def test_the_shortest_sentence_has_a_word_to_predict_and_an_empty_one_has_none() -> None:
    input_ids = torch.tensor([[2, 50, 3, 0], [2, 3, 0, 0]])
    maskable = torch.tensor([[False, True, False, False], [False] * 4])
    _, labels = mask_words(input_ids, maskable, mask_id=4, vocab_size=100)
    assert (labels != IGNORED).tolist() == maskable.tolist()


def test_words_loss_adds_up_over_words_and_is_the_mean_over_photos() -> None:
    one = words_loss(torch.zeros(1, 3), torch.tensor([[0.0, 0.4, 1.0]]))
    assert one.item() == pytest.approx(3 * math.log(2))
    assert words_loss(torch.zeros(5, 3), torch.rand(5, 3)).item() == pytest.approx(3 * math.log(2))


def test_words_loss_is_least_where_a_word_is_as_likely_as_captions_use_it() -> None:
    shares = torch.tensor([[0.2, 0.6]])
    right, high, low = (words_loss(shares.logit() + by, shares).item() for by in (0.0, 0.1, -0.1))
    assert right < min(high, low)
