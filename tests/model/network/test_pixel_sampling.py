"""Pixel random sampling."""

from __future__ import annotations

import torch

from model.network.pixels import Tokens, sample_pixels, subsample_tokens


def numbered(batch: int, total: int) -> torch.Tensor:
    """Tokens whose only feature is their own place."""
    return torch.arange(total).float().expand(batch, total).unsqueeze(-1)


def test_nothing_is_drawn_twice() -> None:
    sampled = sample_pixels(Tokens(numbered(50, 16), None), 10)
    assert sampled.states.shape == (50, 10, 1)
    assert sampled.mask is None
    assert all(len(set(row.flatten().tolist())) == 10 for row in sampled.states)


def test_every_token_has_its_chance() -> None:
    torch.manual_seed(0)
    sampled = sample_pixels(Tokens(numbered(4000, 8), None), 2)
    counts = torch.bincount(sampled.states.flatten().long(), minlength=8)
    assert (counts - 1000).abs().max() < 150


def test_only_valid_tokens_are_drawn() -> None:
    mask = torch.tensor([[True] * 6 + [False] * 10, [True] * 16])
    states, kept = sample_pixels(Tokens(numbered(2, 16), mask), 0.5)
    assert kept is not None
    assert kept.sum(1).tolist() == [3, 8]
    assert states[0][kept[0]].max() < 6


def test_a_count_larger_than_the_photo_takes_all_of_it() -> None:
    sampled = sample_pixels(Tokens(numbered(1, 9), None), 100)
    assert sorted(sampled.states.flatten().tolist()) == list(range(9))


def test_every_second_token_of_each_row_stays_and_the_first_of_a_row_always_does() -> None:
    mask = torch.tensor([[True] * 5, [True] + [False] * 4])
    states, kept = subsample_tokens(Tokens(numbered(2, 5), mask), 2)
    assert states[..., 0].tolist() == [[0, 2, 4], [0, 2, 4]]
    assert kept is not None
    assert kept.tolist() == [[True] * 3, [True, False, False]]
