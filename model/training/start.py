"""The network and the processor that a recipe starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from model.image_processor import PixelBertImageProcessor
from model.network.backbones import stages
from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pretrained import load_backbone, load_tokenizer, load_trunk
from model.processor import PixelBertProcessor, learn_vocabulary, wordpiece_tokenizer
from model.scoring.parameters import ScoringParameters
from model.scoring.word_detectors import WordDetectors
from model.training.digests import digest_of, weights_digest
from model.training.recipe import Recipe
from model.weights import WeightsError, find_weights, generation


def start(recipe: Recipe, captions: Sequence[str]) -> tuple[PixelBertForPreTraining, PixelBertProcessor]:
    """The network of `recipe` with its starting weights, and its processor.

    A tokenizer is learned from `captions` only where there is no trunk that has one. Raises WeightsError when a source
    cannot be loaded.
    """
    torch.manual_seed(recipe.seed)
    if recipe.start.weights:
        model, tokenizer = _continued(find_weights(recipe.start.weights), recipe)
        return model, _processor(tokenizer, recipe)
    if recipe.start.trunk:
        tokenizer = load_tokenizer(recipe.start.trunk)
    else:
        tokenizer = wordpiece_tokenizer(learn_vocabulary(captions, recipe.start.vocab_size))
    model = PixelBertForPreTraining(
        PixelBertConfig(**{**recipe.config_fields, "vocab_size": tokenizer.get_vocab_size()})
    )
    if recipe.start.backbone:
        load_backbone(model, recipe.start.backbone)
    if recipe.start.trunk:
        load_trunk(model, recipe.start.trunk)
    return model, _processor(tokenizer, recipe)


def start_detectors(recipe: Recipe) -> WordDetectors:
    """The word detectors of the weights that `recipe` goes on from; none where there are none."""
    if not recipe.start.weights:
        return WordDetectors()
    weights = find_weights(recipe.start.weights)
    return ScoringParameters.load(weights, generation(weights)).detectors


def start_digest(recipe: Recipe, model: PixelBertForPreTraining, processor: PixelBertProcessor) -> str:
    """A digest of all that `start`, whose result is given, and `start_detectors` have loaded.

    Not of weights that were drawn: they follow from the seed, and are a little other ones on other kinds of machines.
    """
    trunk = model.pixelbert
    loaded: list[nn.Module] = [model] if recipe.start.weights else []
    if recipe.start.backbone:
        loaded.append(trunk.pixel_tokens.backbone)
    if recipe.start.trunk:
        loaded += [trunk.word_tokens, trunk.layers]
    detectors = start_detectors(recipe)
    learned = [array.tobytes() for array in (detectors.ids, detectors.weights, detectors.bias)]
    return digest_of(weights_digest(loaded), processor.tokenizer.to_str(), learned)


def _processor(tokenizer: Tokenizer, recipe: Recipe) -> PixelBertProcessor:
    settings = recipe.processor
    image_processor = PixelBertImageProcessor(
        settings.image_size, settings.aspect, settings.image_mean, settings.image_std
    )
    return PixelBertProcessor(image_processor, tokenizer, max_tokens=settings.max_tokens)


def _continued(weights: Path, recipe: Recipe) -> tuple[PixelBertForPreTraining, Tokenizer]:
    """The network in folder `weights` with the configuration of the recipe, and its tokenizer."""
    config = PixelBertConfig.from_pretrained(weights, **recipe.config_fields)
    try:
        config.validate_architecture()
    except ValueError as error:
        raise WeightsError(f"{weights} does not fit the recipe's model: {error}") from error
    loaded: Any = PixelBertForPreTraining.from_pretrained(
        weights, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
    )
    model, info = loaded
    if unfit := sorted(info["missing_keys"]) + sorted(str(key[0]) for key in info["mismatched_keys"]):
        raise WeightsError(f"{weights} does not fit the recipe's model: {unfit[0]} is missing or of another shape")
    return model, PixelBertProcessor.from_pretrained(weights).tokenizer


def freeze_trunk(model: PixelBertForPreTraining) -> None:
    """Freeze everything but the CNN, the pixel tokens and the image projection."""
    trunk = model.pixelbert
    for module in (trunk.layers, trunk.word_tokens, model.text_projection, model.itm_head, model.mlm_head):
        module.requires_grad_(False)


def freeze(model: PixelBertForPreTraining, count: int) -> int:
    """Freeze the first `count` stages of the CNN, or all of them where it has fewer; returns their number."""
    if not count:
        return 0
    frozen = stages(model.pixelbert.pixel_tokens.backbone)[:count]
    for stage in frozen:
        stage.requires_grad_(False)
    return len(frozen)
