"""One training step: a batch of photos and captions in, the losses out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.network.objectives import (
    IGNORED,
    draw_negatives,
    hardest,
    itc_loss,
    itm_balanced_loss,
    itm_listwise_loss,
    itm_sigmoid_loss,
    mask_words,
    twins,
    words_loss,
)
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pixels import Tokens
from model.training.recipe import Objectives


@dataclass(frozen=True)
class Batch:
    """B photos, each with C of its captions: first one caption of every photo, then another, ..."""

    features: Tensor  # (B, C', h, w), of the CNN
    pixel_mask: Tensor | None  # (B, H, W) bool, True on the photo; None where nothing is padding
    input_ids: Tensor  # (B * C, T)
    attention_mask: Tensor  # (B * C, T) bool
    maskable: Tensor  # (B * C, T) bool, True on words
    text_embeds: Tensor | None = None  # (B * C, E), where captions were embedded once
    shares: Tensor | None = None  # (B, V), of each photo's captions: how many use each word that is learned


def losses(
    model: PixelBertForPreTraining,
    batch: Batch,
    objectives: Objectives,
    *,
    part: float,
    sampling: int | float | None,
    mask_id: int,
) -> dict[str, Tensor]:
    """The losses that `objectives` asks for, unweighted, by name.

    `part` (0 to 1) is how much of the run is over: it decides how hard the negatives are. ITC reads all captions,
    ITM and MLM the first of each photo.
    """
    count = len(batch.features)
    pixels = model.pixelbert.pixel_tokens(batch.features, batch.pixel_mask, sampling=sampling)
    pixels = model.pixelbert.below(pixels)
    text_embeds, words = batch.text_embeds, None
    if text_embeds is None:
        words = model.pixelbert.words(batch.input_ids, batch.attention_mask)
        text_embeds = model.embed_text(words) if objectives.itc else None
    owner = torch.arange(len(batch.input_ids), device=batch.input_ids.device) % count
    same = twins(batch.input_ids, owner)  # (B * C, B)
    found = {}
    similarities = pixels.states.new_zeros(same.shape)  # without ITC no negative is harder than another
    if objectives.itc and text_embeds is not None:
        similarities = text_embeds @ model.embed_image(pixels).T * model.logit_scale.exp()
        found["itc"] = itc_loss(similarities, owner, same)
    if model.word_head is not None and batch.shares is not None:
        found["words"] = words_loss(model.word_head(batch.features.float().mean((2, 3))), batch.shares)
    if words is not None and part >= objectives.itm_start:
        longest = int(batch.attention_mask[:count].sum(1).max())
        first = _first(words, count, longest)
        if objectives.itm or objectives.itm_sigmoid:
            found |= _itm(
                model, first, pixels, similarities[:count], same[:count], objectives, _hardness(objectives, part)
            )
        if objectives.itm_balanced:
            found["itm_balanced"] = _itm_balanced(model, first, pixels, same[:count])
        if objectives.mlm:
            found["mlm"] = _mlm(model, batch, pixels, longest, mask_id)
    return found


def total(found: dict[str, Tensor], objectives: Objectives, part: float) -> Tensor:
    """The sum of the losses, each weighted by the number that `objectives` has under its name.

    The sigmoid term comes in as the negatives get harder: from the start, it never leaves the prior.
    """
    weights = {name: getattr(objectives, name) for name in found}
    if "itm_sigmoid" in weights:
        weights["itm_sigmoid"] *= _hardness(objectives, part)
    return torch.stack([weights[name] * loss for name, loss in found.items()]).sum()


def _hardness(objectives: Objectives, part: float) -> float:
    """From 0 to 1 between `itm_start` and `hard_until`."""
    return min(1.0, (part - objectives.itm_start) / max(1e-6, objectives.hard_until - objectives.itm_start))


def _itm(
    model: PixelBertForPreTraining,
    words: Tokens,
    pixels: Tokens,
    similarities: Tensor,
    same: Tensor,
    objectives: Objectives,
    hardness: float,
) -> dict[str, Tensor]:
    batch = len(similarities)
    own = torch.arange(batch, device=similarities.device)
    text_rows, image_rows = [own], [own]
    widths = []
    if objectives.negative_images:
        images = draw_negatives(similarities, objectives.negative_images, hardness, same)
        if objectives.hardest:
            images = _hardest(model, words, pixels, own[:, None].expand_as(images), images, images, objectives.hardest)
        text_rows.append(own.repeat_interleave(images.shape[1]))
        image_rows.append(images.flatten())
        widths.append(images.shape[1])
    if objectives.negative_texts:
        texts = draw_negatives(similarities.T, objectives.negative_texts, hardness, same.T)
        if objectives.hardest:
            texts = _hardest(model, words, pixels, texts, own[:, None].expand_as(texts), texts, objectives.hardest)
        text_rows.append(texts.flatten())
        image_rows.append(own.repeat_interleave(texts.shape[1]))
        widths.append(texts.shape[1])
    logits = model.itm_logits(_rows(words, torch.cat(text_rows)), _rows(pixels, torch.cat(image_rows)))
    positive, rest = logits[:batch], logits[batch:]
    negatives = [some.view(batch, -1) for some in rest.split([batch * width for width in widths])]
    found = {"itm": torch.stack([itm_listwise_loss(positive, some) for some in negatives]).mean()}
    if objectives.itm_sigmoid:
        found["itm_sigmoid"] = itm_sigmoid_loss(positive, torch.cat(negatives, dim=1))
    return found


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
    """Those of `negatives` (B, K) whose pairs score highest: (B, count)."""
    logits = model.itm_logits(_rows(words, text_rows.flatten()), _rows(pixels, image_rows.flatten()))
    return negatives.gather(1, hardest(logits.view(negatives.shape), count))


def _itm_balanced(model: PixelBertForPreTraining, words: Tokens, pixels: Tokens, same: Tensor) -> Tensor:
    own = torch.arange(len(same), device=same.device)
    other = draw_negatives(torch.zeros_like(same, dtype=torch.float32), 1, 0.0, same)[:, 0]
    true = torch.rand(len(same), device=same.device) < 0.5
    return itm_balanced_loss(model.itm_logits(words, _rows(pixels, torch.where(true, own, other))), true)


def _mlm(model: PixelBertForPreTraining, batch: Batch, pixels: Tokens, longest: int, mask_id: int) -> Tensor:
    vocab_size = model.config.vocab_size
    count = len(batch.features)
    input_ids, maskable = batch.input_ids[:count, :longest], batch.maskable[:count, :longest]
    masked_ids, labels = mask_words(input_ids, maskable, mask_id=mask_id, vocab_size=vocab_size)
    masked = model.pixelbert.words(masked_ids, batch.attention_mask[:count, :longest])
    chosen = labels != IGNORED
    return functional.cross_entropy(model.mlm_head(model.predict_words(masked, pixels)[chosen]), labels[chosen])


def _first(tokens: Tokens, count: int, longest: int) -> Tokens:
    """The first `count` rows, cut to the `longest` of them."""
    return Tokens(tokens.states[:count, :longest], None if tokens.mask is None else tokens.mask[:count, :longest])


def _rows(tokens: Tokens, rows: Tensor) -> Tokens:
    return Tokens(tokens.states[rows], None if tokens.mask is None else tokens.mask[rows])
