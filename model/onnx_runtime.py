"""The runtime on ONNX Runtime: for CPUs, without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.batching import Padded, batches, cut, examples, rows_by_size
from model.processor import PixelBertProcessor
from model.runtime import EncodedImages, EncodedText
from model.tasks.heads import Task
from model.weights import WeightsError, has_graphs, layout

LAYOUT_KEY = "pixelseek.layout"
"""Under this name a graph tells of which weights it is true: `model.weights.layout`."""
_PAIRS = 16  # in one forward pass: few enough for what lies between the layers to stay in the cache
_ERRORS_ONLY = 3


class OnnxRuntime:
    """`model.runtime.Runtime` on ONNX Runtime; a graph is loaded when it is first needed."""

    device = "cpu"

    def __init__(self, weights: Path) -> None:
        self._weights = weights
        self._layout = layout(weights)
        self._processor = PixelBertProcessor.from_pretrained(weights)
        self._heads: dict[Task, onnxruntime.InferenceSession] = {}

    @classmethod
    def load(cls, weights: Path) -> OnnxRuntime:
        """Open folder `weights`. Raises WeightsError when it has no graphs, or those of other weights."""
        if not has_graphs(weights):
            raise WeightsError(f"{weights} has no graphs: make them with `pixelseek export-onnx`.")
        return cls(weights)

    def prepare(self, *, rerank: bool) -> None:
        """See `Runtime`."""
        _ = self._words, rerank and self._match

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """See `Runtime`."""
        found: dict[int, tuple[NDArray[np.float32], ...]] = {}
        for rows in rows_by_size(images):
            outputs = self._pixels.run(None, {"images": np.stack([images[row] for row in rows])})
            found.update(zip(rows, zip(*outputs, strict=True), strict=True))
        features, embeddings, pooled = zip(*(found[row] for row in range(len(images))), strict=True)
        return EncodedImages(np.stack(embeddings), list(features), np.stack(pooled))

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """See `Runtime`."""
        inputs = self._processor.text(sentences)
        states, embeddings = self._words.run(None, dict(inputs))
        lengths = inputs["attention_mask"].sum(1)
        return EncodedText(
            embeddings,
            [states[row, :length] for row, length in enumerate(lengths)],
            [inputs["input_ids"][row, :length] for row, length in enumerate(lengths)],
        )

    def match(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`."""
        logits = np.empty(len(pixel_features), dtype=np.float32)
        for rows, words, pixels in batches(text, pixel_features, _PAIRS):
            (logits[rows],) = self._match.run(None, _feed(words, pixels))
        return logits

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See `Runtime`."""
        maps: dict[int, NDArray[np.float32]] = {}
        for rows, words, pixels in batches(text, pixel_features, _PAIRS):
            (found,) = self._attention.run(None, _feed(words, pixels))
            maps.update(zip(rows, cut(found, words, pixels), strict=True))
        return [maps[row] for row in range(len(pixel_features))]

    def classify(self, task: Task, text: EncodedText, *photos: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`."""
        if task not in self._heads:
            self._heads[task] = self._session(f"{task}.onnx", layout(self._weights, task))
        logits = []
        for _, words, pixels in examples(text, photos, _PAIRS):
            feed = {"word_features": words.states, "word_mask": words.mask}
            for number, one in enumerate(pixels):
                feed |= {f"pixel_features_{number}": one.states, f"pixel_mask_{number}": one.mask}
            logits.append(self._heads[task].run(None, feed)[0])
        return np.concatenate(logits)

    @cached_property
    def _pixels(self) -> onnxruntime.InferenceSession:
        return self._session("pixels.onnx")

    @cached_property
    def _words(self) -> onnxruntime.InferenceSession:
        return self._session("words.onnx")

    @cached_property
    def _match(self) -> onnxruntime.InferenceSession:
        return self._session("match.onnx")

    @cached_property
    def _attention(self) -> onnxruntime.InferenceSession:
        return self._session("attention.onnx")

    def _session(self, graph: str, stamp: str | None = None) -> onnxruntime.InferenceSession:
        path = self._weights / graph
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        # Threads that wait busily would take the cores from the decoders of `index`, and from other searches.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many kinds, all of them "cannot be loaded"
            raise WeightsError(f"{path} cannot be loaded: {error}") from error
        if session.get_modelmeta().custom_metadata_map.get(LAYOUT_KEY) != (stamp or self._layout):
            raise WeightsError(
                f"{path} was made for other weights or by an older Pixelseek: make it with `pixelseek export-onnx`."
            )
        return session


def _feed(words: Padded, pixels: Padded) -> dict[str, NDArray[np.float32] | NDArray[np.bool_]]:
    return {
        "word_features": words.states,
        "word_mask": words.mask,
        "pixel_features": pixels.states,
        "pixel_mask": pixels.mask,
    }
