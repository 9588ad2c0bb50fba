"""The runtime on ONNX Runtime: for CPUs, without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.heads import Head
from model.opened import HeldFiles, OpenedWeights
from model.processor import PixelBertProcessor
from model.runtime.batching import Padded, batches, cut, examples, rows_by_size
from model.runtime.protocol import EncodedImages, EncodedText
from model.weights import WeightsError, has_graphs, layout

LAYOUT_KEY = "pixelseek.layout"
"""Under this name a graph tells of which weights it is true: `model.weights.layout`."""
IMAGE_OUTPUTS, CELLS = ("pixel_features", "embeddings", "pooled_features"), "cells"
"""The outputs of the graph `pixels`. One that an older Pixelseek exported has no cells."""
_PAIRS = 16  # in one forward pass: few enough for what lies between the layers to stay in the cache
_ERRORS_ONLY = 3
_MAX_AT_ONCE = 8  # the part of a search that is Python takes turns, and is a sixth of it
_Feed: TypeAlias = dict[str, NDArray[Any]]


class OnnxRuntime:
    """`model.runtime.protocol.Runtime` on ONNX Runtime; a graph is loaded when it is first needed.

    Every method raises `model.opened.WeightsReplaced` when the weights have become others since they were opened.
    """

    device = "cpu"

    def __init__(self, weights: OpenedWeights, threads: int = 0) -> None:
        self._weights = weights
        self._threads = threads
        with weights.reading() as folder:
            self._layout = layout(folder)
            self._processor = PixelBertProcessor.from_pretrained(folder)
        self._sessions: dict[str, _Session] = {}
        self._loading = Lock()

    @property
    def at_once(self) -> int:
        """See `Runtime`. Two calls with a thread each are done sooner than one after the other with both."""
        return min(self._threads or os.cpu_count() or 1, _MAX_AT_ONCE)

    @classmethod
    def load(cls, weights: Path | OpenedWeights, *, threads: int = 0) -> OnnxRuntime:
        """Open a folder of weights; `threads` compute, by default as many as there are cores.

        Raises WeightsError when it has no graphs, or those of other weights.
        """
        opened = OpenedWeights.of(weights)
        if not has_graphs(opened.folder):
            raise WeightsError(f"{opened.folder} has no graphs: make them with `pixelseek model export`.")
        return cls(opened, threads)

    def prepare(self, *, rerank: bool) -> None:
        """See `Runtime`."""
        for graph in ("words", "match") if rerank else ("words",):
            self._session(graph)

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """See `Runtime`."""
        outputs_by_row: dict[int, tuple[NDArray[np.float32], ...]] = {}
        for rows in rows_by_size(images):
            feed = {"images": np.stack([images[row] for row in rows])}
            outputs = self._run("pixels", feed, outputs=IMAGE_OUTPUTS)
            outputs_by_row.update(zip(rows, zip(*outputs, strict=True), strict=True))
        features, embeddings, pooled = zip(*(outputs_by_row[row] for row in range(len(images))), strict=True)
        return EncodedImages(np.stack(embeddings), list(features), np.stack(pooled))

    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Runtime`."""
        if CELLS not in {output.name for output in self._session("pixels").graph.get_outputs()}:
            raise WeightsError(
                f"the graphs in {self._weights.folder} were made by an older Pixelseek, which did not show where in a "
                "photo a word is: make them anew with `pixelseek model export`."
            )
        cells: NDArray[np.float32] = self._run("pixels", {"images": image[None]}, outputs=[CELLS])[0][0]
        return cells

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """See `Runtime`."""
        inputs = self._processor.tokenize(sentences)
        states, embeddings = self._run(
            "words", {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
        )
        lengths = inputs["attention_mask"].sum(1)
        return EncodedText(
            embeddings,
            [states[row, :length] for row, length in enumerate(lengths)],
            [inputs["input_ids"][row, :length] for row, length in enumerate(lengths)],
        )

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`."""
        logits = np.empty(len(pixel_features), dtype=np.float32)
        for rows, words, pixels in batches(text, pixel_features, _PAIRS):
            (logits[rows],) = self._run("match", _feed(words, pixels))
        return logits

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See `Runtime`."""
        maps: dict[int, NDArray[np.float32]] = {}
        for rows, words, pixels in batches(text, pixel_features, _PAIRS):
            (attention,) = self._run("attention", _feed(words, pixels))
            maps.update(zip(rows, cut(attention, words, pixels), strict=True))
        return [maps[row] for row in range(len(pixel_features))]

    def classify(self, head: Head, text: EncodedText, *photos: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `Runtime`."""
        logits = []
        for _, words, pixels in examples(text, photos, _PAIRS):
            feed = {"word_features": words.states, "word_mask": words.mask}
            for number, padded in enumerate(pixels):
                feed |= {f"pixel_features_{number}": padded.states, f"pixel_mask_{number}": padded.mask}
            logits.append(self._run(head.task, feed, head)[0])
        return np.concatenate(logits)

    def _run(
        self, graph: str, feed: _Feed, head: Head | None = None, outputs: Sequence[str] | None = None
    ) -> list[NDArray[np.float32]]:
        session = self._session(graph, head)
        session.check()  # before, because to touch the map of a file that was cut short is to die
        results: list[NDArray[np.float32]] = session.graph.run(outputs, feed)
        session.check()
        return results

    def _session(self, graph: str, head: Head | None = None) -> _Session:
        """The session of a graph, opened if need be: over the weights that were opened, and no others."""
        key = graph if head is None else f"{graph} {head.tensors}"
        with self._loading:
            if key not in self._sessions:
                held = [self._weights] if head is None else [self._weights, head.held(self._weights.folder)]
                with self._weights.reading() as folder:
                    stamp = self._layout if head is None else layout(folder, head.task)
                    session = _Session(_load(folder / f"{graph}.onnx", stamp, self._threads), held)
                for files in held:
                    files.check_disk()
                self._sessions[key] = session
            return self._sessions[key]


@dataclass(frozen=True)
class _Session:
    """A graph ready to run, and the files into which it may have mapped its weights."""

    graph: onnxruntime.InferenceSession
    files: Sequence[HeldFiles]

    def check(self) -> None:
        for files in self.files:
            files.check_held()


def _load(path: Path, stamp: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    # Threads that wait busily would take the cores from the decoders of `index`, and from other searches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many kinds, all of them "cannot be loaded"
        raise WeightsError(f"{path} cannot be loaded: {error}") from error
    if session.get_modelmeta().custom_metadata_map.get(LAYOUT_KEY) != stamp:
        raise WeightsError(
            f"{path} was made for other weights or by an older Pixelseek: make it with `pixelseek model export`."
        )
    return session


def _feed(words: Padded, pixels: Padded) -> _Feed:
    return {
        "word_features": words.states,
        "word_mask": words.mask,
        "pixel_features": pixels.states,
        "pixel_mask": pixels.mask,
    }
