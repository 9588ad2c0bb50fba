"""What attention says: by layer and head, followed through the layers, and weighted by what counts for the match."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.network.pixelbert import PixelBertForPreTraining
from model.network.pixels import Tokens
from model.runtime.attention import averaged, rollout
from tests.model.networks import tiny_network

WORDS, PIXELS = 5, 9


def pair(model: PixelBertForPreTraining) -> tuple[Tokens, Tokens]:
    generator = torch.Generator().manual_seed(0)
    words = model.pixelbert.encode_words(torch.randint(5, 100, (2, WORDS), generator=generator))
    return words, model.pixelbert.encode_pixels(torch.randn(2, 3, 96, 96, generator=generator))


@torch.inference_mode()
def test_the_attention_of_every_layer_and_head_leads_to_the_match() -> None:
    model = tiny_network()
    words, pixels = pair(model)
    attention = model.attend(words, pixels)
    assert attention.shape == (2, 2, 4, WORDS + PIXELS, WORDS + PIXELS)
    assert torch.allclose(attention.sum(-1), torch.ones(()), atol=1e-5)
    _, states = model._attended(words, pixels)
    assert torch.allclose(model._itm_logits(states), model.itm_logits(words, pixels), atol=1e-4)


def test_one_layer_or_head_is_a_part_of_the_mean() -> None:
    attention = np.random.default_rng(0).random((2, 3, 4, 4), dtype=np.float32)
    assert np.allclose(averaged(attention, 1, 2), attention[1, 2])
    assert np.allclose((averaged(attention, 0) + averaged(attention, 1)) / 2, averaged(attention))
    assert np.allclose(averaged(attention, head=0), attention[:, 0].mean(axis=0))


def test_rollout_follows_attention_through_a_token_in_between() -> None:
    step = np.zeros((2, 1, 3, 3), dtype=np.float32)
    step[0, 0] = [[1, 0, 0], [0, 0, 1], [0, 0, 1]]  # below, 1 looks at 2
    step[1, 0] = [[0, 1, 0], [0, 1, 0], [0, 0, 1]]  # above, 0 looks at 1
    assert averaged(step)[0, 2] == 0.0
    assert rollout(step)[0].tolist() == [0.5, 0.25, 0.25]
    assert rollout(step[::-1])[0].tolist() == [0.5, 0.5, 0.0], "what 1 learns later comes too late"


@pytest.mark.parametrize("fusion_layer", [0, 1])
def test_relevance_is_what_raises_the_match(fusion_layer: int) -> None:
    model = tiny_network(fusion_layer=fusion_layer)
    words, pixels = pair(model)
    relevance = model.relevance(words, pixels)
    assert relevance.shape == (2, WORDS + PIXELS, WORDS + PIXELS)
    assert not relevance.requires_grad
    assert relevance.min() >= 0.0
    assert (relevance[:, 0, WORDS:] > 0).any()
    alone = [
        model.relevance(*(Tokens(side.states[row : row + 1].detach(), None) for side in (words, pixels)))
        for row in (0, 1)
    ]
    assert torch.allclose(relevance, torch.cat(alone), atol=1e-5), "whatever else is in the batch"


def test_a_pixel_that_is_not_there_is_not_relevant() -> None:
    model = tiny_network()
    words, pixels = pair(model)
    mask = torch.ones(2, PIXELS, dtype=torch.bool)
    mask[:, -4:] = False
    relevance = model.relevance(words, Tokens(pixels.states, mask))
    assert (relevance[:, :-4, -4:] == 0).all()
    shorter = model.relevance(words, Tokens(pixels.states[:, :-4], None))
    assert torch.allclose(relevance[:, :-4, :-4], shorter, atol=1e-5)
