"""A stand-in for a person who is asked whether a sentence fits a photo, where the photo has captions by people.

It reads no photo. A sentence that means what people wrote about a photo very likely fits it: the cosines of the
sentence with each of the photo's captions, as all-MiniLM-L6-v2 embeds them, go through a logistic curve. On Flickr8k's
crowd judgements of other photos' captions its AUC is 0.915; docs/development/experiments.md has the alternatives, and
where the three numbers of the curve come from.

The same judge gives the soft labels that the match is fitted to, and soft targets for training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.data.shards import CaptionedPhoto
from model.network.pretrained import load_bert, load_tokenizer

_ENCODER = "all-MiniLM-L6-v2"
_MAX_TOKENS, _SENTENCES = 128, 128
_OF_NEAREST, _OF_MEAN, _BIAS = 6.77, 4.50, -7.19
OWN_FIT = 0.91
"""The share of people who say that a photo's own caption fits it (Flickr8k's crowd judgements)."""


class SentenceEncoder:
    """Embeddings of sentences by all-MiniLM-L6-v2: the mean of the last states of all tokens, of length 1."""

    def __init__(self) -> None:
        """Raises WeightsError, with the command that installs it, where the encoder is not at hand."""
        self._bert = load_bert(_ENCODER).eval()
        self._tokenizer = load_tokenizer(_ENCODER)
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()

    @torch.inference_mode()
    def embed(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(S, 384)"""
        embeddings = np.zeros((len(sentences), self._bert.config.hidden_size), dtype=np.float32)
        order = sorted(range(len(sentences)), key=lambda row: len(sentences[row]))  # little padding
        for start in range(0, len(order), _SENTENCES):
            rows = order[start : start + _SENTENCES]
            encodings = self._tokenizer.encode_batch([sentences[row] for row in rows])
            mask = torch.tensor([encoding.attention_mask for encoding in encodings])
            ids = torch.tensor([encoding.ids for encoding in encodings])
            states = self._bert(input_ids=ids, attention_mask=mask).last_hidden_state
            means = (states * mask[..., None]).sum(dim=1)
            embeddings[rows] = torch.nn.functional.normalize(means, dim=1).numpy()
        return embeddings


class Judge:
    """Judges sentences against N photos by the captions that these have."""

    def __init__(self, photos: Sequence[CaptionedPhoto], encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self._captions = encoder.embed([caption for photo in photos for caption in photo.captions])
        ends = np.cumsum([len(photo.captions) for photo in photos])
        self._starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        self._counts = np.diff(np.concatenate([[0], ends]))

    def fit(self, sentences: Sequence[str], own_photos: NDArray[np.int64]) -> NDArray[np.float32]:
        """(S, N) The probability that a person says that the sentence fits the photo.

        `own_photos` (S,) is the photo that each sentence was written about, which its captions would underrate: it gets
        OWN_FIT. It is -1 where there is none among the N.
        """
        cosines = self._encoder.embed(sentences) @ self._captions.T
        nearest = np.maximum.reduceat(cosines, self._starts, axis=1)
        mean = np.add.reduceat(cosines, self._starts, axis=1) / self._counts
        fit = 1.0 / (1.0 + np.exp(-(_OF_NEAREST * nearest + _OF_MEAN * mean + _BIAS)))
        rows = np.flatnonzero(own_photos >= 0)
        fit[rows, own_photos[rows]] = OWN_FIT
        return np.asarray(fit, dtype=np.float32)
