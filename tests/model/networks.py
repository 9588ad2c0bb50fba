"""A tiny Pixel-BERT for the tests: real in every part, but random."""

from __future__ import annotations

from typing import Any

import torch

from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertForPreTraining

TINY: dict[str, Any] = {
    "backbone": "test_resnet",
    "vocab_size": 100,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 64,
    "fusion_layer": 1,
    "embedding_size": 32,
    "initializer_range": 0.1,  # large enough for a random network to tell its inputs apart
}


def tiny_network(**changes: Any) -> PixelBertForPreTraining:
    """A random network with `changes` to its configuration, in evaluation mode."""
    torch.manual_seed(0)
    model = PixelBertForPreTraining(PixelBertConfig(**{**TINY, **changes}))
    model.eval()
    return model
