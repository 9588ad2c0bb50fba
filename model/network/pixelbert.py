"""Pixel-BERT (arXiv 2004.00849) as transformers models.

One trunk, three passes: words alone, pixels alone, and both together. Below `config.fusion_layer` the
trunk runs on words and on pixels separately: a library stores the pixels' states at that layer, and a rerank computes
only the layers above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

from model.network.configuration import PixelBertConfig
from model.network.pixels import PixelTokens, Tokens, cells_of, resize_by_area, subsample_tokens
from model.network.trunk import TransformerLayer, WordTokens, concatenate, mean


@dataclass
class PixelBertOutput(ModelOutput):
    """The last hidden states of words and pixels."""

    words: Tensor | None = None  # (B, T, D), last layer
    pixels: Tensor | None = None  # (B, P, D), last layer


class PixelBertImageOutput(NamedTuple):
    """Everything that a library stores of B photos, and the cells."""

    pixel_features: Tensor  # (B, P, D), at the fusion layer
    image_embeds: Tensor  # (B, E), L2-normalised
    pooled_features: Tensor  # (B, C), the mean of the cells: the input of word detectors
    cells: Tensor  # (B, P, C), of the CNN's last feature map


@dataclass
class PixelBertRetrievalOutput(ModelOutput):
    """Scores of B sentence-photo pairs, and the two vectors of the shortlist."""

    itm_logits: Tensor | None = None  # (B,)
    text_embeds: Tensor | None = None  # (B, E), L2-normalised
    image_embeds: Tensor | None = None  # (B, E), L2-normalised
    mlm_logits: Tensor | None = None  # (B, T, vocabulary), of the pre-training model


class PixelBertPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation common to the models."""

    config_class = PixelBertConfig
    base_model_prefix = "pixelbert"
    main_input_name = "input_ids"
    _supports_sdpa = True
    _keys_to_ignore_on_load_unexpected = [r"^mlm_head\."]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, PixelTokens):
            init.zeros_(module.semantic)
        elif isinstance(module, PixelBertForImageTextRetrieval):
            init.constant_(module.logit_scale, INITIAL_LOGIT_SCALE)
        elif isinstance(module, MlmHead):
            init.zeros_(module.bias)


class PixelBertModel(PixelBertPreTrainedModel):
    """The trunk with its two embeddings, without heads."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__(config)
        self.word_tokens = WordTokens(config)
        self.pixel_tokens = PixelTokens(config)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def lower_layers(self, tokens: Tokens) -> Tokens:
        """The layers below the fusion layer, for words alone or pixels alone."""
        for layer in self.layers[: self.config.fusion_layer]:
            tokens = layer(tokens)
        return tokens

    def upper_layers(
        self, tokens: Tokens, num_queries: int | None = None, numbers: Sequence[int] | None = None
    ) -> Tokens:
        """The fusion layer and those above it, or only those with these `numbers`, from 0 for the trunk's lowest.

        The last one computes only the first `num_queries` tokens.
        """
        chosen = range(self.config.fusion_layer, len(self.layers)) if numbers is None else numbers
        *layers, last = (self.layers[number] for number in chosen)
        for layer in layers:
            tokens = layer(tokens)
        result: Tokens = last(tokens, num_queries)
        return result

    def encode_words(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tokens:
        """Word pieces (B, T) -> their states at the fusion layer (B, T, D)."""
        return self.lower_layers(self.word_tokens(input_ids, attention_mask))

    def encode_pixels(self, pixel_values: Tensor, pixel_mask: Tensor | None = None) -> Tokens:
        """Photos (B, 3, H, W) -> their pixel features at the fusion layer (B, P, D)."""
        return self.lower_layers(self.pixel_tokens(self.pixel_tokens.cnn(pixel_values), pixel_mask))

    def fuse(
        self, words: Tokens, pixels: Tokens, num_queries: int | None = None, numbers: Sequence[int] | None = None
    ) -> Tokens:
        """Both sides' states at the fusion layer -> the cross-modal states above it (B, T + P, D)."""
        return self.upper_layers(concatenate(words, pixels), num_queries, numbers)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        pixel_mask: Tensor | None = None,
    ) -> PixelBertOutput:
        """Words (B, T), photos (B, 3, H, W), or both together. Raises ValueError when given neither."""
        if input_ids is not None and pixel_values is not None:
            states = self.fuse(
                self.encode_words(input_ids, attention_mask), self.encode_pixels(pixel_values, pixel_mask)
            ).states
            return PixelBertOutput(words=states[:, : input_ids.shape[1]], pixels=states[:, input_ids.shape[1] :])
        if input_ids is not None:
            return PixelBertOutput(words=self.upper_layers(self.encode_words(input_ids, attention_mask)).states)
        if pixel_values is not None:
            return PixelBertOutput(pixels=self.upper_layers(self.encode_pixels(pixel_values, pixel_mask)).states)
        raise ValueError("give input_ids, pixel_values or both")


INITIAL_LOGIT_SCALE = 2.659  # ln(1 / 0.07), as in CLIP


class PixelBertForImageTextRetrieval(PixelBertPreTrainedModel):
    """Two projections for the shortlist and the ITM head on `[CLS]` for the rerank."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__(config)
        self.pixelbert = PixelBertModel(config)
        self.text_projection = nn.Linear(config.hidden_size, config.embedding_size)
        self.image_projection = nn.Linear(config.hidden_size, config.embedding_size)
        self.logit_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE))
        self.itm_head = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size), nn.Tanh(), nn.Linear(config.hidden_size, 1)
        )
        if type(self) is PixelBertForImageTextRetrieval:
            self.post_init()

    def embed_text(self, words: Tokens) -> Tensor:
        """Words' states at the fusion layer (B, T, D) -> text embeddings (B, E)."""
        return functional.normalize(self.text_projection(mean(self.pixelbert.upper_layers(words))), dim=-1)

    def embed_image(self, pixels: Tokens) -> Tensor:
        """Pixel features (B, P, D) -> image embeddings (B, E)."""
        return functional.normalize(self.image_projection(mean(self.pixelbert.upper_layers(pixels))), dim=-1)

    def encode_image(self, pixel_values: Tensor) -> PixelBertImageOutput:
        """Everything that a library stores of photos (B, 3, H, W), and the cells.

        With `config.mirrored_view` the photos are read a second time, mirrored and enlarged: two views are wrong about
        different photos, and their mean is wrong about fewer. The pixel features are those of the photo as it is.
        """
        features = self.pixelbert.pixel_tokens.cnn(pixel_values)
        pixels = self.pixelbert.lower_layers(self.pixelbert.pixel_tokens(features))
        embeddings = self.embed_image(subsample_tokens(pixels, self.config.embedding_stride))
        if self.config.mirrored_view is not None:
            enlarged = functional.interpolate(pixel_values, scale_factor=self.config.mirrored_view, mode="bilinear")
            mirrored = self.pixelbert.pixel_tokens.cnn(enlarged.flip(-1))
            tokens = subsample_tokens(self.pixelbert.pixel_tokens(mirrored), self.config.embedding_stride)
            of_view = self.embed_image(self.pixelbert.lower_layers(tokens))
            embeddings = functional.normalize(embeddings + of_view, dim=-1)
            height, width = features.shape[-2:]
            features = (features + resize_by_area(mirrored.flip(-1), height, width)) / 2
        cells = cells_of(features)
        return PixelBertImageOutput(pixels.states, embeddings, cells.mean(1), cells)

    def itm_logits(self, words: Tokens, pixels: Tokens) -> Tensor:
        """ITM logits (B,) of aligned pairs, from both sides' states at the fusion layer.

        In evaluation mode it reads every `match_stride`-th pixel token, in the layers `match_layers`.
        """
        numbers = None
        if not self.training:
            pixels, numbers = subsample_tokens(pixels, self.config.match_stride), self.config.match_layers
        return self._itm_logits(self.pixelbert.fuse(words, pixels, num_queries=1, numbers=numbers).states)

    def attend(self, words: Tokens, pixels: Tokens) -> Tensor:
        """Attention probabilities of aligned pairs in the L cross-modal layers, the lowest first.

        (B, L, heads, T + P, T + P), words before pixels.
        """
        return torch.stack(self._attended(words, pixels)[0], dim=1)

    def _attended(self, words: Tokens, pixels: Tokens) -> tuple[list[Tensor], Tensor]:
        """The attention (B, heads, T + P, T + P) of each cross-modal layer, and the last states (B, T + P, D)."""
        tokens, maps = concatenate(words, pixels), []
        for layer in self.pixelbert.layers[self.config.fusion_layer :]:
            assert isinstance(layer, TransformerLayer)
            maps.append(layer.attention(tokens))
            tokens = layer.forward_with_attention(tokens, maps[-1])
        return maps, tokens.states

    def _itm_logits(self, states: Tensor) -> Tensor:
        """Cross-modal states (B, T + P, D), or the first of them -> ITM logits (B,)."""
        logits: Tensor = self.itm_head(states[:, 0])
        return logits.squeeze(-1)

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor,
        attention_mask: Tensor | None = None,
        pixel_mask: Tensor | None = None,
    ) -> PixelBertRetrievalOutput:
        """Score B aligned pairs of sentences (B, T) and photos (B, 3, H, W)."""
        return self.score(
            self.pixelbert.encode_words(input_ids, attention_mask),
            self.pixelbert.encode_pixels(pixel_values, pixel_mask),
        )

    def score(self, words: Tokens, pixels: Tokens) -> PixelBertRetrievalOutput:
        """As `forward`, from the states of words and pixels at the fusion layer."""
        return PixelBertRetrievalOutput(
            itm_logits=self.itm_logits(words, pixels),
            text_embeds=self.embed_text(words),
            image_embeds=self.embed_image(pixels),
        )


class MlmHead(nn.Module):
    """Word prediction, its decoder tied to the word embeddings."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, states: Tensor) -> Tensor:
        """Logits over the vocabulary: (..., D) -> (..., V)."""
        logits: Tensor = self.decoder(self.norm(functional.gelu(self.dense(states)))) + self.bias
        return logits


class PixelBertForPreTraining(PixelBertForImageTextRetrieval):
    """The retrieval model with the MLM head: what is trained."""

    _tied_weights_keys = {"mlm_head.decoder.weight": "pixelbert.word_tokens.words.weight"}  # noqa: RUF012

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__(config)
        self.mlm_head = MlmHead(config)
        self.word_head: nn.Module | None = None
        """Pooled features (B, C) to word logits (B, V), in a training that learns words: saved as word detectors."""
        self.post_init()

    def predict_words(self, words: Tokens, pixels: Tokens) -> Tensor:
        """Word states (B, T, D) after the joint pass, ready for `mlm_head`."""
        length = words.states.shape[1]
        return self.pixelbert.fuse(words, pixels, num_queries=length).states

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor,
        attention_mask: Tensor | None = None,
        pixel_mask: Tensor | None = None,
    ) -> PixelBertRetrievalOutput:
        """As the retrieval model, and the MLM logits (B, T, V) of every word."""
        words = self.pixelbert.encode_words(input_ids, attention_mask)
        pixels = self.pixelbert.encode_pixels(pixel_values, pixel_mask)  # once: the CNN is most of the work
        output = self.score(words, pixels)
        output.mlm_logits = self.mlm_head(self.predict_words(words, pixels))
        return output
