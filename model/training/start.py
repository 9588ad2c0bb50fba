"""The network and the processor a recipe starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from model.configuration import PixelBertConfig
from model.network import PixelBertForPreTraining
from model.pretrained import load_backbone, load_tokenizer, load_trunk
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.recipe import Recipe
from model.weights import find_weights


def start(recipe: Recipe, captions: Sequence[str]) -> tuple[PixelBertForPreTraining, PixelBertProcessor]:
    """Build the network of `recipe` and fill it with what it starts from.

    A tokenizer is learned from `captions` only where there is no trunk to take one from. Raises
    WeightsError when a source cannot be had, ValueError when the model's fields do not fit each other.
    """
    torch.manual_seed(recipe.seed)
    if recipe.start.weights:
        return _go_on_from(find_weights(recipe.start.weights), recipe)
    if recipe.start.trunk:
        tokenizer = load_tokenizer(recipe.start.trunk)
    else:
        tokenizer = wordpiece_tokenizer(learn_vocabulary(captions, recipe.start.vocab_size))
    settings = recipe.processor
    processor = PixelBertProcessor(tokenizer, image_size=settings.image_size, max_tokens=settings.max_tokens)
    model = PixelBertForPreTraining(PixelBertConfig(**{**recipe.model, "vocab_size": tokenizer.get_vocab_size()}))
    if recipe.start.backbone:
        load_backbone(model, recipe.start.backbone)
    if recipe.start.trunk:
        load_trunk(model, recipe.start.trunk)
    return model, processor


def _go_on_from(weights: Path, recipe: Recipe) -> tuple[PixelBertForPreTraining, PixelBertProcessor]:
    config = PixelBertConfig.from_pretrained(weights)
    config.pixel_sampling = recipe.model.get("pixel_sampling", config.pixel_sampling)
    model = PixelBertForPreTraining.from_pretrained(weights, config=config, dtype=torch.float32)
    return model, PixelBertProcessor.from_pretrained(weights)
