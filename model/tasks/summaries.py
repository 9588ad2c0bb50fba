"""What heads learn from. It is computed once, because the trunk is frozen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from model.data.shards import CaptionedPhoto
from model.network.heads import summary
from model.network.pixelbert import PixelBertModel
from model.network.pixels import Tokens
from model.processor import PixelBertProcessor
from model.runtime.protocol import Runtime

_PHOTOS, _SENTENCES = 16, 64  # in one forward pass


def encode_photos(
    runtime: Runtime, processor: PixelBertProcessor, photos: Sequence[CaptionedPhoto], *, progress: bool = True
) -> dict[str, NDArray[np.float16]]:
    """The pixel features (P, D) of each photo, by its key."""
    features: dict[str, NDArray[np.float16]] = {}
    for start in tqdm(range(0, len(photos), _PHOTOS), desc="photos", unit="batch", disable=not progress):
        batch = photos[start : start + _PHOTOS]
        encoded = runtime.encode_image([photo.decode(processor.image_processor) for photo in batch])
        features |= {
            photo.key: states.astype(np.float16) for photo, states in zip(batch, encoded.pixel_features, strict=True)
        }
    return features


@torch.inference_mode()
def summaries(
    trunk: PixelBertModel,
    processor: PixelBertProcessor,
    sentences: Sequence[str],
    photos: Sequence[Sequence[NDArray[np.float16]]],
    *,
    progress: bool = True,
) -> Tensor:
    """The input of a head for each sentence and the pixel features of its photos: (N, S)."""
    device = next(trunk.parameters()).device
    parts = []
    for start in tqdm(range(0, len(sentences), _SENTENCES), desc="sentences", unit="batch", disable=not progress):
        text = processor.tokenize(sentences[start : start + _SENTENCES])
        mask = torch.from_numpy(text["attention_mask"]).to(device)
        words = trunk.encode_words(torch.from_numpy(text["input_ids"]).to(device), mask)
        about = zip(*photos[start : start + _SENTENCES], strict=True)
        parts.append(summary(trunk, words, [_padded(features, device) for features in about]).cpu())
    return torch.cat(parts)


def _padded(features: Sequence[NDArray[np.float16]], device: torch.device) -> Tokens:
    tensors = [torch.from_numpy(array).float() for array in features]
    states = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    lengths = torch.tensor([len(array) for array in tensors])
    mask = torch.arange(states.shape[1]) < lengths[:, None]
    return Tokens(states.to(device), None if bool(mask.all()) else mask.to(device))
