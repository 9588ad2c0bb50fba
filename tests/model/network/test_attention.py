"""What attention says, by layer and head."""

from __future__ import annotations

import torch

from model.network.pixelbert import PixelBertForPreTraining
from model.network.pixels import Tokens
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
