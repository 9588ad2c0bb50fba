"""One training step: a batch of photos and captions in, the losses out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.network import PixelBertForPreTraining
from model.objectives import (
    IGNORED,
    draw_negatives,
    itc_loss,
    itm_listwise_loss,
    itm_sigmoid_loss,
    mask_words,
    twins,
)
from model.pixels import Tokens
from model.recipe import Objectives


@dataclass(frozen=True)
class Batch:
    """B photos, each with one of its captions."""

    features: Tensor  # (B, C, h, w), of the CNN
    input_ids: Tensor  # (B, T)
    attention_mask: Tensor  # (B, T) bool
    maskable: Tensor  # (B, T) bool, True on words


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

    `part` (0 to 1) is how much of the run is over: it decides how hard the negatives are.
    """
    pixels = model.pixelbert.below(model.pixelbert.pixel_tokens(batch.features, sampling=sampling))
    words = model.pixelbert.words(batch.input_ids, batch.attention_mask)
    similarities = model.embed_text(words) @ model.embed_image(pixels).T * model.logit_scale.exp()
    same = twins(batch.input_ids)
    found = {"itc": itc_loss(similarities, same)}
    if part >= objectives.itm_start:
        hardness = min(1.0, (part - objectives.itm_start) / max(1e-6, objectives.hard_until - objectives.itm_start))
        if objectives.itm or objectives.itm_sigmoid:
            found |= _itm(model, words, pixels, similarities, same, objectives, hardness)
        if objectives.mlm:
            found["mlm"] = _mlm(model, batch, pixels, mask_id)
    return found


def total(found: dict[str, Tensor], objectives: Objectives) -> Tensor:
    """The weighted sum of the losses."""
    weights = {
        "itc": objectives.itc,
        "mlm": objectives.mlm,
        "itm": objectives.itm,
        "itm_sigmoid": objectives.itm_sigmoid,
    }
    return torch.stack([weights[name] * loss for name, loss in found.items()]).sum()


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
    images = texts = None
    if objectives.negative_images:
        images = draw_negatives(similarities, objectives.negative_images, hardness, same)
    if objectives.negative_texts:
        texts = draw_negatives(similarities.T, objectives.negative_texts, hardness, same)
    own = torch.arange(batch, device=similarities.device)
    text_rows, image_rows = [own], [own]
    if images is not None:
        text_rows.append(own.repeat_interleave(images.shape[1]))
        image_rows.append(images.flatten())
    if texts is not None:
        text_rows.append(texts.flatten())
        image_rows.append(own.repeat_interleave(texts.shape[1]))
    logits = model.match(_rows(words, torch.cat(text_rows)), _rows(pixels, torch.cat(image_rows)))
    positive, rest = logits[:batch], logits[batch:]
    negatives = []
    if images is not None:
        negatives.append(rest[: images.numel()].view(images.shape))
    if texts is not None:
        negatives.append(rest[-texts.numel() :].view(texts.shape))
    found = {"itm": torch.stack([itm_listwise_loss(positive, some) for some in negatives]).mean()}
    if objectives.itm_sigmoid:
        # Scaled by hardness: from the start, binary cross-entropy never leaves the prior.
        found["itm_sigmoid"] = hardness * itm_sigmoid_loss(positive, torch.cat(negatives, dim=1))
    return found


def _mlm(model: PixelBertForPreTraining, batch: Batch, pixels: Tokens, mask_id: int) -> Tensor:
    vocab_size = model.config.vocab_size
    masked_ids, labels = mask_words(batch.input_ids, batch.maskable, mask_id=mask_id, vocab_size=vocab_size)
    masked = model.pixelbert.words(masked_ids, batch.attention_mask)
    chosen = labels != IGNORED
    return functional.cross_entropy(model.mlm_head(model.predict_words(masked, pixels)[chosen]), labels[chosen])


def _rows(tokens: Tokens, rows: Tensor) -> Tokens:
    return Tokens(tokens.states[rows], None if tokens.mask is None else tokens.mask[rows])
