"""The configuration of a Pixel-BERT."""

from __future__ import annotations

from huggingface_hub.dataclasses import strict
from transformers import PretrainedConfig

_MAX_ENLARGEMENT = 4  # of a photo: a limit, so that weights from elsewhere cannot take all memory


@strict
class PixelBertConfig(PretrainedConfig):
    """The architecture of a Pixel-BERT; the defaults are the shipped `pixelbert-small`.

    The trunk (`hidden_size` to `layer_norm_eps`) is named as in transformers' `BertConfig`. Of our own:

    - `backbone`: a timm model name; `pixel_pool` 2 adds the 2x2 max pool of the paper (section 3.2).
    - `spatial_positions`: `none` (the paper) or `learned_2d` (a learned row and column vector per token,
      for grids of up to `max_grid` cells a side).
    - `pixel_sampling`: how many pixel tokens a pre-training step sees (section 3.3): a whole number, or a
      fraction of each photo's valid tokens, or None for all.
    - `match_stride`: in evaluation mode ITM reads every `match_stride`-th pixel token. A model trained on sampled
      tokens needs only a subset at inference, which saves time.
    - `match_layers`: in evaluation mode ITM passes through these of the layers from `fusion_layer` on, numbered from 0,
      or None for all. A layer that is left out saves time.
    - `fusion_layer`: the layer at which words and pixels first meet; 0 is the paper.
    - `embedding_size`: E, the width of the vectors the shortlist compares.
    - `embedding_stride`: the embedding of a library's photo is made of every `embedding_stride`-th pixel token.
    - `mirrored_view`: a library's photos are read a second time, mirrored and enlarged by this factor. Their embeddings
      and pooled features are the means of both views. None: one view.
    - `num_images`: how many photos a sentence is about, in `PixelBertForImagesAndTextClassification`: 2 in NLVR2.
    """

    model_type = "pixelbert"

    vocab_size: int = 30522
    hidden_size: int = 384
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    backbone: str = "tf_efficientnet_lite2"
    pixel_pool: int = 1
    spatial_positions: str = "learned_2d"
    max_grid: int = 48
    pixel_sampling: int | float | None = None
    match_stride: int = 1
    match_layers: list[int] | None = None
    fusion_layer: int = 3
    embedding_size: int = 256
    embedding_stride: int = 1
    mirrored_view: float | None = None
    num_images: int = 2
    tie_word_embeddings: bool = True

    def validate_architecture(self) -> None:
        """Raise ValueError when the parts do not fit each other."""
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is no multiple of {self.num_attention_heads} heads")
        if not 0 <= self.fusion_layer < self.num_hidden_layers:
            raise ValueError(f"fusion_layer {self.fusion_layer} is not in 0..{self.num_hidden_layers - 1}")
        if self.spatial_positions not in ("none", "learned_2d"):
            raise ValueError(f"spatial_positions is 'none' or 'learned_2d', not {self.spatial_positions!r}")
        if self.pixel_pool not in (1, 2):
            raise ValueError(f"pixel_pool is 1 or 2, not {self.pixel_pool}")
        for stride in ("match_stride", "embedding_stride"):
            if getattr(self, stride) < 1:
                raise ValueError(f"{stride} is 1 or more, not {getattr(self, stride)}")
        if self.match_layers is not None:
            above = range(self.fusion_layer, self.num_hidden_layers)
            if not self.match_layers or [layer for layer in above if layer in self.match_layers] != self.match_layers:
                raise ValueError(f"match_layers are some of {list(above)} in this order, not {self.match_layers}")
        if self.mirrored_view is not None and not 1 <= self.mirrored_view <= _MAX_ENLARGEMENT:
            raise ValueError(f"mirrored_view is 1 to {_MAX_ENLARGEMENT}, not {self.mirrored_view}")
        if self.pixel_sampling is not None and self.pixel_sampling <= 0:
            raise ValueError(f"pixel_sampling is a positive count or fraction, not {self.pixel_sampling}")
