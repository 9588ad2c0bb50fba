"""The runtime on PyTorch: the reference, and the path for GPUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.utils import logging

from model.folding import fold_batch_norm
from model.memory import keep_freed_memory
from model.network import PixelBertForImageTextRetrieval
from model.pixels import Tokens
from model.processor import PixelBertProcessor
from model.runtime import EncodedImages, EncodedText
from model.weights import WeightsError

_PAIRS = 64  # sentence-photo pairs in one forward pass


class TorchRuntime:
    """`model.runtime.Runtime` on PyTorch."""

    def __init__(self, model: PixelBertForImageTextRetrieval, processor: PixelBertProcessor) -> None:
        self._model = model.eval()
        self._processor = processor
        self._device = next(model.parameters()).device

    @classmethod
    def load(cls, weights: Path, *, device: str = "auto") -> TorchRuntime:
        """Read folder `weights`. Raises WeightsError when it does not hold a complete Pixel-BERT."""
        keep_freed_memory()
        logging.disable_progress_bar()  # loading takes less than a second
        processor = PixelBertProcessor.from_pretrained(weights)
        try:
            model = PixelBertForImageTextRetrieval.from_pretrained(weights, dtype=torch.float32, local_files_only=True)
        except Exception as error:  # transformers and safetensors raise many kinds, all of them "does not fit"
            raise WeightsError(f"{weights} does not hold a Pixel-BERT that can be loaded: {error}") from error
        model.pixelbert.pixel_tokens.backbone = fold_batch_norm(model.pixelbert.pixel_tokens.backbone)
        model.to(device=_choose(device), memory_format=torch.channels_last)  # type: ignore[call-arg]
        return cls(model, processor)

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self._device)

    @torch.inference_mode()
    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """See `Runtime`. Photos of one size go through the CNN together, so that no padding ever touches one."""
        sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, image in enumerate(images):
            sizes[image.shape].append(row)
        embeddings = np.empty((len(images), self._model.config.embedding_size), dtype=np.float32)
        features: dict[int, NDArray[np.float32]] = {}
        for rows in sizes.values():
            values = torch.from_numpy(self._processor.images([images[row] for row in rows])["pixel_values"])
            values = values.to(self._device).contiguous(memory_format=torch.channels_last)
            pixels = self._model.pixelbert.pixels(values)
            embeddings[rows] = _numpy(self._model.embed_image(pixels))
            features.update(zip(rows, _numpy(pixels.states), strict=True))
        return EncodedImages(embeddings, [features[row] for row in range(len(images))])

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """See `Runtime`."""
        inputs = self._processor.text(sentences)
        mask = torch.from_numpy(inputs["attention_mask"]).to(self._device)
        words = self._model.pixelbert.words(torch.from_numpy(inputs["input_ids"]).to(self._device), mask)
        states, lengths = _numpy(words.states), inputs["attention_mask"].sum(1)
        features = [states[row, :length] for row, length in enumerate(lengths)]
        return EncodedText(_numpy(self._model.embed_text(words)), features)

    @torch.inference_mode()
    def match(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`. Pairs of like length share a batch."""
        if len(text) not in (1, len(pixel_features)):
            raise ValueError(f"{len(text)} sentences cannot be matched with {len(pixel_features)} photos")
        words = text.word_features * len(pixel_features) if len(text) == 1 else text.word_features
        order = sorted(range(len(words)), key=lambda row: (len(pixel_features[row]), len(words[row])))
        logits = np.empty(len(words), dtype=np.float32)
        for start in range(0, len(order), _PAIRS):
            rows = order[start : start + _PAIRS]
            left, right = self._pad([words[row] for row in rows]), self._pad([pixel_features[row] for row in rows])
            logits[rows] = _numpy(self._model.match(left, right))
        return logits

    def _pad(self, states: Sequence[NDArray[np.float32]]) -> Tokens:
        longest = max(len(state) for state in states)
        padded = np.zeros((len(states), longest, states[0].shape[1]), dtype=np.float32)
        mask = np.zeros((len(states), longest), dtype=np.bool_)
        for row, state in enumerate(states):
            padded[row, : len(state)] = state
            mask[row, : len(state)] = True
        on_device = torch.from_numpy(padded).to(self._device)
        return Tokens(on_device, None if mask.all() else torch.from_numpy(mask).to(self._device))


def _choose(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise WeightsError(f"device {device} cannot be used here: {error}") from error


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array
