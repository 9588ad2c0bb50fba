"""The losses of one training step."""

from __future__ import annotations

from dataclasses import dataclass

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
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pixels import Tokens
from model.training.recipe import Objectives


@dataclass(frozen=True)
class Batch:
    """B photos with C captions each: first one caption of every photo, then another one of every photo, and so on."""

    features: Tensor  # (B, C', h, w), of the CNN
    pixel_mask: Tensor | None  # (B, H, W) bool, True on the photo; None without padding
    input_ids: Tensor  # (B * C, T)
    attention_mask: Tensor  # (B * C, T) bool
    maskable: Tensor  # (B * C, T) bool, True on words
    text_embeds: Tensor | None = None  # (B * C, E), where a frozen trunk has embedded the captions before
    word_targets: Tensor | None = None  # (B, V), the fraction of each photo's captions that use each learned word


def losses(
    model: PixelBertForPreTraining,
    batch: Batch,
    objectives: Objectives,
    *,
    progress: float,
    sampling: int | float | None,
    mask_id: int,
) -> dict[str, Tensor]:
    """The unweighted losses of `objectives`, by name.

    `progress` (0 to 1) is the part of the run that is over: negatives get harder with it. ITC reads all captions, ITM
    and MLM the first of each photo.
    """
    count = len(batch.features)
    pixels = model.pixelbert.pixel_tokens(batch.features, batch.pixel_mask, sampling=sampling)
    pixels = model.pixelbert.lower_layers(pixels)
    text_embeds, words = batch.text_embeds, None
    if text_embeds is None:
        words = model.pixelbert.encode_words(batch.input_ids, batch.attention_mask)
        text_embeds = model.embed_text(words) if objectives.itc else None
    caption_to_image = torch.arange(len(batch.input_ids), device=batch.input_ids.device) % count
    duplicates = duplicate_captions(batch.input_ids, caption_to_image)  # (B * C, B)
    values = {}
    similarities = pixels.states.new_zeros(duplicates.shape)  # without ITC all negatives are equally hard
    if objectives.itc and text_embeds is not None:
        similarities = text_embeds @ model.embed_image(pixels).T * model.logit_scale.exp()
        values["itc"] = itc_loss(similarities, caption_to_image, duplicates)
    if model.word_head is not None and batch.word_targets is not None:
        values["words"] = words_loss(model.word_head(batch.features.float().mean((2, 3))), batch.word_targets)
    if words is not None and progress >= objectives.itm_start:
        length = int(batch.attention_mask[:count].sum(1).max())
        first_captions = _first_captions(words, count, length)
        if objectives.itm or objectives.itm_sigmoid:
            hardness = _hardness(objectives, progress)
            values |= _itm(
                model, first_captions, pixels, similarities[:count], duplicates[:count], objectives, hardness
            )
        if objectives.itm_balanced:
            values["itm_balanced"] = _itm_balanced(model, first_captions, pixels, duplicates[:count])
        if objectives.mlm:
            values["mlm"] = _mlm(model, batch, pixels, length, mask_id)
    return values


def total_loss(values: dict[str, Tensor], objectives: Objectives, progress: float) -> Tensor:
    """The sum of the losses, each weighted by the field of `objectives` with its name.

    The weight of the sigmoid term grows with the hardness of the negatives: with full weight from the start, ITM never
    does better than the prior.
    """
    weights = {name: getattr(objectives, name) for name in values}
    if "itm_sigmoid" in weights:
        weights["itm_sigmoid"] *= _hardness(objectives, progress)
    return torch.stack([weights[name] * loss for name, loss in values.items()]).sum()


def _hardness(objectives: Objectives, progress: float) -> float:
    """It rises from 0 to 1 between `itm_start` and `hardness_ramp_end`."""
    ramp = objectives.hardness_ramp_end - objectives.itm_start
    return min(1.0, (progress - objectives.itm_start) / max(1e-6, ramp))


def _itm(
    model: PixelBertForPreTraining,
    words: Tokens,
    pixels: Tokens,
    similarities: Tensor,
    duplicates: Tensor,
    objectives: Objectives,
    hardness: float,
) -> dict[str, Tensor]:
    batch = len(similarities)
    own = torch.arange(batch, device=similarities.device)
    text_rows, image_rows = [own], [own]
    list_sizes = []
    num_hardest = objectives.num_hardest_negatives
    if objectives.negative_images:
        images = draw_negatives(similarities, objectives.negative_images, hardness, duplicates)
        if num_hardest:
            images = _hardest(model, words, pixels, own[:, None].expand_as(images), images, images, num_hardest)
        text_rows.append(own.repeat_interleave(images.shape[1]))
        image_rows.append(images.flatten())
        list_sizes.append(images.shape[1])
    if objectives.negative_texts:
        texts = draw_negatives(similarities.T, objectives.negative_texts, hardness, duplicates.T)
        if num_hardest:
            texts = _hardest(model, words, pixels, texts, own[:, None].expand_as(texts), texts, num_hardest)
        text_rows.append(texts.flatten())
        image_rows.append(own.repeat_interleave(texts.shape[1]))
        list_sizes.append(texts.shape[1])
    logits = model.itm_logits(_select(words, torch.cat(text_rows)), _select(pixels, torch.cat(image_rows)))
    positive, rest = logits[:batch], logits[batch:]
    negatives = [part.view(batch, -1) for part in rest.split([batch * size for size in list_sizes])]
    values = {"itm": torch.stack([itm_listwise_loss(positive, part) for part in negatives]).mean()}
    if objectives.itm_sigmoid:
        values["itm_sigmoid"] = itm_sigmoid_loss(positive, torch.cat(negatives, dim=1))
    return values


@torch.no_grad()
def _hardest(
    model: PixelBertForPreTraining,
    words: Tokens,
    pixels: Tokens,
    text_rows: Tensor,
    image_rows: Tensor,
    negatives: Tensor,
    count: int,
) -> Tensor:
    """The `count` negatives (B, count) of (B, K) whose pairs have the highest ITM logits."""
    logits = model.itm_logits(_select(words, text_rows.flatten()), _select(pixels, image_rows.flatten()))
    return negatives.gather(1, hardest_negatives(logits.view(negatives.shape), count))


def _itm_balanced(model: PixelBertForPreTraining, words: Tokens, pixels: Tokens, duplicates: Tensor) -> Tensor:
    own = torch.arange(len(duplicates), device=duplicates.device)
    other = draw_negatives(torch.zeros_like(duplicates, dtype=torch.float32), 1, 0.0, duplicates)[:, 0]
    true = torch.rand(len(duplicates), device=duplicates.device) < 0.5
    return itm_balanced_loss(model.itm_logits(words, _select(pixels, torch.where(true, own, other))), true)


def _mlm(model: PixelBertForPreTraining, batch: Batch, pixels: Tokens, length: int, mask_id: int) -> Tensor:
    vocab_size = model.config.vocab_size
    count = len(batch.features)
    input_ids, maskable = batch.input_ids[:count, :length], batch.maskable[:count, :length]
    masked_ids, labels = mask_words(input_ids, maskable, mask_id=mask_id, vocab_size=vocab_size)
    masked = model.pixelbert.encode_words(masked_ids, batch.attention_mask[:count, :length])
    selected = labels != IGNORED
    logits = model.mlm_head(model.predict_words(masked, pixels)[selected])
    return functional.cross_entropy(logits, labels[selected])


def _first_captions(tokens: Tokens, count: int, length: int) -> Tokens:
    """The first `count` rows, cut to `length` tokens."""
    return Tokens(tokens.states[:count, :length], None if tokens.mask is None else tokens.mask[:count, :length])


def _select(tokens: Tokens, rows: Tensor) -> Tokens:
    return Tokens(tokens.states[rows], None if tokens.mask is None else tokens.mask[rows])
