"""The runtime on PyTorch: the reference, and the path for GPUs and for weights without graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.utils import logging

from model.heads import Head
from model.network.folding import fold_batch_norm
from model.network.heads import TaskHead, load_head, summary
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.network.pixels import Tokens
from model.opened import OpenedWeights
from model.processor import PixelBertProcessor
from model.runtime.batching import Padded, batches, check_pairs, cut, distinct, examples, rows_by_size
from model.runtime.memory import keep_freed_memory
from model.runtime.protocol import EncodedImages, EncodedText
from model.weights import WeightsError

_PAIRS = 64  # in one forward pass on a CPU
_PAIRS_ON_GPU = 4096
_PHOTOS = 256


class TorchRuntime:
    """`model.runtime.protocol.Runtime` on PyTorch."""

    at_once = 1
    """PyTorch keeps memory for each thread that calls it, and a GPU computes one thing at a time."""

    def __init__(
        self,
        model: PixelBertForImageTextRetrieval,
        processor: PixelBertProcessor,
        weights: OpenedWeights | None = None,
    ) -> None:
        self._model = model.eval()
        self._processor = processor
        self._weights = weights
        self._heads: dict[str, TaskHead] = {}
        self._device = next(model.parameters()).device
        on_cpu = self._device.type == "cpu"
        self._at_once = {"pairs": _PAIRS if on_cpu else _PAIRS_ON_GPU, "photos": _PHOTOS}
        self._dtype = torch.float32 if on_cpu else torch.float16
        """Of the match: a GPU computes it many times as fast in half precision, and logits change by less than 0.01."""

    @classmethod
    def load(cls, weights: Path | OpenedWeights, *, device: str = "auto", threads: int = 0) -> TorchRuntime:
        """Read a folder of weights; on a CPU `threads` compute, by default as many as PyTorch chooses.

        Raises WeightsError when it does not hold a complete Pixel-BERT, or another one than was opened.
        """
        keep_freed_memory()
        if threads:
            torch.set_num_threads(threads)
        weights = OpenedWeights.of(weights)
        with weights.reading() as folder:
            model, processor = load_network(folder), PixelBertProcessor.from_pretrained(folder)
        model.pixelbert.pixel_tokens.backbone = fold_batch_norm(model.pixelbert.pixel_tokens.backbone)
        model.to(device=_choose(device), memory_format=torch.channels_last)  # type: ignore[call-arg]
        return cls(model, processor, weights)

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self._device)

    def prepare(self, *, rerank: bool) -> None:
        """See `Runtime`: everything is loaded."""

    @torch.inference_mode()
    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """See `Runtime`."""
        outputs_by_row: dict[int, tuple[NDArray[np.float32], ...]] = {}

        def encode(rows: NDArray[np.int64]) -> tuple[Tensor, ...]:
            values = torch.from_numpy(
                self._processor.image_processor.normalize([images[row] for row in rows])["pixel_values"]
            )
            values = values.to(self._device).contiguous(memory_format=torch.channels_last)
            encoded = self._model.encode_image(values)
            return encoded.pixel_features, encoded.image_embeds, encoded.pooled_features

        for same_size in rows_by_size(images):
            for rows, outputs in self._in_parts("photos", np.array(same_size), encode):
                outputs_by_row.update(zip(rows.tolist(), zip(*outputs, strict=True), strict=True))
        features, embeddings, pooled = zip(*(outputs_by_row[row] for row in range(len(images))), strict=True)
        return EncodedImages(np.stack(embeddings), list(features), np.stack(pooled))

    @torch.inference_mode()
    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        values = torch.from_numpy(self._processor.image_processor.normalize([image])["pixel_values"])
        (cells,) = _numpy(self._model.encode_image(values.to(self._device)).cells)
        return np.asarray(cells)

    @torch.inference_mode()
    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """See `Runtime`."""
        inputs = self._processor.tokenize(sentences)
        mask = torch.from_numpy(inputs["attention_mask"]).to(self._device)
        words = self._model.pixelbert.encode_words(torch.from_numpy(inputs["input_ids"]).to(self._device), mask)
        states, lengths = _numpy(words.states), inputs["attention_mask"].sum(1)
        features = [states[row, :length] for row, length in enumerate(lengths)]
        ids = [inputs["input_ids"][row, :length] for row, length in enumerate(lengths)]
        return EncodedText(_numpy(self._model.embed_text(words)), features, ids)

    @torch.inference_mode()
    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`."""
        check_pairs(text, pixel_features)
        words, captions = self._sent(text.word_features)
        pixels, photos = self._sent(pixel_features)
        captions = np.broadcast_to(captions, photos.shape)
        order = np.lexsort((words.lengths[captions], pixels.lengths[photos]))

        def logits_of(rows: NDArray[np.int64]) -> tuple[Tensor]:
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                return (self._model.itm_logits(words.take(captions[rows]), pixels.take(photos[rows])),)

        logits = np.empty(len(photos), dtype=np.float32)
        for rows, (part,) in self._in_parts("pairs", order, logits_of):
            logits[rows] = part
        return logits

    @torch.inference_mode()
    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See `Runtime`."""
        maps: dict[int, NDArray[np.float32]] = {}
        for rows, words, pixels in batches(text, pixel_features, _PAIRS):
            attention = _numpy(self._model.attend(self._tokens(words), self._tokens(pixels)))
            maps.update(zip(rows, cut(attention, words, pixels), strict=True))
        return [maps[row] for row in range(len(pixel_features))]

    @torch.inference_mode()
    def classify(self, head: Head, text: EncodedText, *photos: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`."""
        if head.tensors not in self._heads:
            if self._weights is None:
                raise WeightsError(f"a network that was not read from a folder has no head for {head.task}.")
            with head.held(self._weights.folder).reading() as folder:
                self._heads[head.tensors] = load_head(folder, head.task, self._model.config).to(self._device)
        logits = []
        for _, words, pixels in examples(text, photos, _PAIRS):
            inputs = summary(self._model.pixelbert, self._tokens(words), [self._tokens(padded) for padded in pixels])
            logits.append(_numpy(self._heads[head.tensors](inputs)))
        return np.concatenate(logits)

    def _in_parts(
        self, what: str, order: NDArray[np.int64], work: Callable[[NDArray[np.int64]], tuple[Tensor, ...]]
    ) -> Iterator[tuple[NDArray[np.int64], list[NDArray[np.float32]]]]:
        """`order` in parts, with what `work` makes of each; half as large ones from where memory is too small."""
        start = 0
        while start < len(order):
            rows = order[start : start + self._at_once[what]]
            try:
                outputs = [_numpy(tensor) for tensor in work(rows)]
            except torch.OutOfMemoryError:
                if len(rows) == 1:
                    raise
                self._at_once[what] = len(rows) // 2
            else:
                yield rows, outputs
                start += len(rows)

    def _sent(self, states: Sequence[NDArray[np.float32]]) -> tuple[SentTokens, NDArray[np.int64]]:
        """Each of the arrays (T, D) on the device, one that is named several times once; and which is whose (B,)."""
        once, rows = distinct(states)
        return SentTokens(once, self._device, self._dtype), rows

    def _tokens(self, padded: Padded) -> Tokens:
        states = torch.from_numpy(padded.states).to(self._device)
        return Tokens(states, None if padded.mask.all() else torch.from_numpy(padded.mask).to(self._device))


class SentTokens:
    """Token states (T, D) of sentences or photos on a device, end to end: padded only where they are used."""

    def __init__(self, states: Sequence[NDArray[np.float32]], device: torch.device, dtype: torch.dtype) -> None:
        self.lengths = np.array([len(state) for state in states])
        """(N,)"""
        self._starts = np.cumsum(self.lengths) - self.lengths
        flat = torch.from_numpy(np.concatenate(states))
        if device.type == "cuda":
            flat = flat.pin_memory()
        self._flat = flat.to(device, non_blocking=True).to(dtype)  # (sum of T, D)

    def take(self, rows: NDArray[np.int64]) -> Tokens:
        """Those of `rows` (B,) as (B, T, D), padded with masked tokens to the longest of them."""
        lengths, columns = self.lengths[rows, None], np.arange(self.lengths[rows].max())
        valid = columns < lengths
        places = torch.from_numpy(np.where(valid, self._starts[rows, None] + columns, self._starts[rows, None]))
        mask = None if valid.all() else torch.from_numpy(valid).to(self._flat.device)
        return Tokens(self._flat[places.to(self._flat.device)], mask)


def load_network(weights: Path) -> PixelBertForImageTextRetrieval:
    """The network in folder `weights`, in float32. Raises WeightsError when it is not a complete Pixel-BERT."""
    logging.disable_progress_bar()  # loading takes less than a second
    model: PixelBertForImageTextRetrieval
    try:
        model = PixelBertForImageTextRetrieval.from_pretrained(weights, dtype=torch.float32, local_files_only=True)
    except Exception as error:  # transformers and safetensors raise many kinds, all of them "does not fit"
        raise WeightsError(f"{weights} does not hold a Pixel-BERT that can be loaded: {error}") from error
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()  # where the file holds float32, it is a map of it, and would change with it
    return model


def _choose(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise WeightsError(
            f"device {device} cannot be used here: {why}. Name another with --device; if it is the library's setting, "
            "change that: pixelseek config device auto"
        ) from error


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array
