"""The networks of the paper's section 4.2 beside retrieval: the trunk, and a head that reads what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import SequenceClassifierOutput

from model.heads import PHOTOS, Task
from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertModel, PixelBertPreTrainedModel
from model.network.pixels import Tokens
from model.network.trunk import mean
from model.weights import WeightsError

DROPOUT = 0.3
_LAST = "layers.6"  # what gives the logits


class TaskHead(nn.Module):
    """From a sentence and the photos it is about to one logit for each label.

    It reads the `[CLS]` state of the joint pass over the sentence and each photo, concatenated, as the paper does; and,
    which helps where there is little to learn from, the mean of the words before that pass and of words and pixels
    after it.
    """

    def __init__(self, config: PixelBertConfig, photos: int, labels: int) -> None:
        super().__init__()
        size, hidden = config.hidden_size, 2 * config.hidden_size
        self.layers = nn.Sequential(
            nn.LayerNorm(size * (1 + 3 * photos), eps=config.layer_norm_eps),
            nn.Dropout(DROPOUT),
            nn.Linear(size * (1 + 3 * photos), hidden),
            nn.GELU(),
            nn.LayerNorm(hidden, eps=config.layer_norm_eps),
            nn.Dropout(DROPOUT),
            nn.Linear(hidden, labels),
        )

    def forward(self, summary: Tensor) -> Tensor:
        """Summaries (B, S) as `summary` makes them -> logits (B, L)."""
        logits: Tensor = self.layers(summary)
        return logits


def summary(trunk: PixelBertModel, words: Tokens, photos: Sequence[Tokens]) -> Tensor:
    """What a head reads of B sentences and the photos of each, both as their states at the fusion layer: (B, S)."""
    read, length = [mean(words)], words.states.shape[1]
    for pixels in photos:
        states, mask = trunk.fuse(words, pixels)
        sides = (
            Tokens(states[:, :length], None if mask is None else mask[:, :length]),
            Tokens(states[:, length:], None if mask is None else mask[:, length:]),
        )
        read += [states[:, 0], *map(mean, sides)]
    return torch.cat(read, dim=-1)


class PixelBertForQuestionAnswering(PixelBertPreTrainedModel):
    """Visual question answering as classification over `config.id2label`, the answers it knows."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__(config)
        self.pixelbert = PixelBertModel(config)
        self.head = TaskHead(config, 1, len(config.id2label or ()))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor,
        attention_mask: Tensor | None = None,
        pixel_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Questions (B, T) about photos (B, 3, H, W) -> a logit for each answer (B, A).

        `labels` (B, A) are soft scores, 0 to 1; the loss is the paper's binary cross-entropy, summed over the answers.
        """
        words = self.pixelbert.encode_words(input_ids, attention_mask)
        logits = self.head(summary(self.pixelbert, words, [self.pixelbert.encode_pixels(pixel_values, pixel_mask)]))
        loss = None if labels is None else answer_loss(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class PixelBertForImagesAndTextClassification(PixelBertPreTrainedModel):
    """Whether a sentence is true of `config.num_images` photos, two in NLVR2: labels `false` and `true`.

    Each photo is read together with the sentence, and what comes of both is concatenated.
    """

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__(config)
        self.pixelbert = PixelBertModel(config)
        self.head = TaskHead(config, config.num_images, len(config.id2label or ()))
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor,
        attention_mask: Tensor | None = None,
        pixel_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Sentences (B, T) about the photos (B, N, 3, H, W) -> logits (B, 2); `labels` (B,) are 0 or 1."""
        words = self.pixelbert.encode_words(input_ids, attention_mask)
        photos = [
            self.pixelbert.encode_pixels(pixel_values[:, photo], None if pixel_mask is None else pixel_mask[:, photo])
            for photo in range(self.config.num_images)
        ]
        logits = self.head(summary(self.pixelbert, words, photos))
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def load_head(weights: Path, task: Task, config: PixelBertConfig) -> TaskHead:
    """The tensors of the head for `task` in folder `weights`, in float32.

    Raises WeightsError when they are missing or do not fit a trunk of `config`.
    """
    path = weights / f"{task}.safetensors"
    try:
        state = {name: tensor.float() for name, tensor in load_file(path).items()}
        head = TaskHead(config, PHOTOS[task], len(state[f"{_LAST}.bias"]))
        head.load_state_dict(state)
    except Exception as error:  # safetensors and torch raise many kinds, all of them "does not fit"
        raise WeightsError(f"{path} does not hold a head that can be loaded: {error}") from error
    head.eval()
    return head


def answer_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of logits (B, A) against soft scores (B, A): summed over answers, mean over questions."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(logits)
