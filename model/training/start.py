"""The network and the processor a recipe starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from model.image_processor import PixelBertImageProcessor
from model.network.backbones import stages
from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pretrained import load_backbone, load_tokenizer, load_trunk
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.training.recipe import Recipe
from model.weights import WeightsError, find_weights


def start(recipe: Recipe, captions: Sequence[str]) -> tuple[PixelBertForPreTraining, PixelBertProcessor]:
    """Build the network of `recipe` and fill it with what it starts from.

    A tokenizer is learned from `captions` only where there is no trunk to take one from. Raises
    WeightsError when a source cannot be had, ValueError when the model's fields do not fit each other.
    """
    torch.manual_seed(recipe.seed)
    if recipe.start.weights:
        model, tokenizer = _go_on_from(find_weights(recipe.start.weights), recipe)
        return model, _processor(tokenizer, recipe)
    if recipe.start.trunk:
        tokenizer = load_tokenizer(recipe.start.trunk)
    else:
        tokenizer = wordpiece_tokenizer(learn_vocabulary(captions, recipe.start.vocab_size))
    model = PixelBertForPreTraining(PixelBertConfig(**{**recipe.model, "vocab_size": tokenizer.get_vocab_size()}))
    if recipe.start.backbone:
        load_backbone(model, recipe.start.backbone)
    if recipe.start.trunk:
        load_trunk(model, recipe.start.trunk)
    return model, _processor(tokenizer, recipe)


def _processor(tokenizer: Tokenizer, recipe: Recipe) -> PixelBertProcessor:
    settings = recipe.processor
    image_processor = PixelBertImageProcessor(
        settings.image_size, settings.aspect, settings.image_mean, settings.image_std
    )
    return PixelBertProcessor(image_processor, tokenizer, max_tokens=settings.max_tokens)


def _go_on_from(weights: Path, recipe: Recipe) -> tuple[PixelBertForPreTraining, Tokenizer]:
    """The network in folder `weights`, changed where the recipe's model says so, and its tokenizer."""
    config = PixelBertConfig.from_pretrained(weights, **recipe.model)
    loaded: Any = PixelBertForPreTraining.from_pretrained(
        weights, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
    )
    model, found = loaded
    if unfit := sorted(found["missing_keys"]) + sorted(str(key[0]) for key in found["mismatched_keys"]):
        raise WeightsError(f"{weights} does not fit the recipe's model: {unfit[0]} is missing or of another shape")
    return model, PixelBertProcessor.from_pretrained(weights).tokenizer


def freeze_trunk(model: PixelBertForPreTraining) -> None:
    """Keep all but the photos' side as it is: what is left is the CNN, its tokens and the image projection."""
    bert = model.pixelbert
    for part in (bert.layers, bert.word_tokens, model.text_projection, model.itm_head, model.mlm_head):
        part.requires_grad_(False)


def freeze(model: PixelBertForPreTraining, count: int) -> int:
    """Keep the first `count` stages of the CNN, or all it has, as they are; how many those are."""
    if not count:
        return 0
    frozen = stages(model.pixelbert.pixel_tokens.backbone)[:count]
    for stage in frozen:
        stage.requires_grad_(False)
    return len(frozen)
