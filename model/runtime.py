"""The runtime protocol: what everything above `model/` may ask of a trained Pixel-BERT.

Numpy in, numpy out. The three passes are those of the network: pixels alone, words alone, words and
pixels together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from model.hardware import has_gpu
from model.opened import OpenedWeights
from model.tasks.heads import Head
from model.weights import WeightsError, has_graphs


@dataclass(frozen=True)
class EncodedImages:
    """What the pixels-only pass leaves of B photos."""

    embeddings: NDArray[np.float32]
    """(B, E), L2-normalised: what the shortlist compares with a sentence."""
    pixel_features: list[NDArray[np.float32]]
    """B arrays (P, D): the state of each photo's valid pixel tokens at the fusion layer, for `match`."""
    pooled_features: NDArray[np.float32]
    """(B, C): the mean of the CNN's last feature map, for `model.word_evidence`."""


@dataclass(frozen=True)
class EncodedText:
    """What the words-only pass leaves of B sentences."""

    embeddings: NDArray[np.float32]
    """(B, E), L2-normalised."""
    word_features: list[NDArray[np.float32]]
    """B arrays (T, D): the state of each sentence's tokens at the fusion layer, for `match`."""
    word_ids: list[NDArray[np.int64]] = field(default_factory=list)
    """B arrays (T,): the word pieces themselves, for `model.word_evidence`; none where a runtime has none."""

    def __len__(self) -> int:
        return len(self.word_features)

    def select(self, rows: Sequence[int]) -> EncodedText:
        """The sentences at `rows`, in that order; a row may be named more than once."""
        return EncodedText(
            self.embeddings[list(rows)],
            [self.word_features[row] for row in rows],
            [self.word_ids[row] for row in rows] if self.word_ids else [],
        )


class Runtime(Protocol):
    """A loaded Pixel-BERT."""

    @property
    def device(self) -> str:
        """Where it computes: `cpu`, `cuda`, ..."""

    def prepare(self, *, rerank: bool) -> None:
        """Load now what a search with or without a rerank needs, and not when the first one comes."""

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """Encode photos (B arrays (H, W, 3), RGB, as `PixelBertProcessor.resize` returns them)."""

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """Encode sentences. A sentence longer than the model reads is cut at its last word piece."""

    def match(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """ITM logits (B,): how well sentence i matches photo i, full cross-modal; one sentence goes with every photo.

        Raises ValueError when there are several sentences, but not as many as photos.
        """

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """How much each token of sentence and photo i looks at each: B arrays (L, heads, T + P, T + P), words first.

        The attention of the L cross-modal layers, the lowest first; rows sum to 1. Sentences go with photos as in
        `match`.
        """


@runtime_checkable
class GradientRuntime(Runtime, Protocol):
    """A loaded Pixel-BERT that can also say what its scores hang on."""

    def relevance(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """How much each token of sentence and photo i counts in each for their match: B arrays (T + P, T + P), words
        first.

        Gradient-weighted attention of the cross-modal layers (arXiv 2103.15679). Sentences go with photos as in
        `match`.
        """


class TaskRuntime(Runtime, Protocol):
    """A loaded Pixel-BERT that can be asked for more than retrieval, where there are heads beside its weights."""

    def classify(self, head: Head, text: EncodedText, *photos: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits (B, L) of the labels of `head`: sentence i read with photo i of every list of `photos`.

        Raises ValueError when those are not as many as sentences, and WeightsError when the head cannot be loaded.
        """


def load_runtime(weights: Path | OpenedWeights, *, device: str = "auto") -> TaskRuntime:
    """Load the network in a folder of weights; `device` is `auto` (a GPU where there is one), `cpu`, `cuda`, ...

    On a CPU weights with graphs are computed by ONNX Runtime, all else by PyTorch; neither is imported before.
    Raises `model.weights.WeightsError` when the folder does not hold a complete Pixel-BERT, when it holds another one
    than was opened, or when what it needs is not installed.
    """
    weights = OpenedWeights.of(weights)
    on_cpu = device == "cpu" or (device == "auto" and not has_gpu())
    if on_cpu and has_graphs(weights.folder) and find_spec("onnxruntime"):
        from model.onnx_runtime import OnnxRuntime

        return OnnxRuntime.load(weights)
    if not find_spec("torch"):
        raise WeightsError(
            f"{weights.folder} has no graphs for a CPU without PyTorch. Make them where PyTorch is "
            "(`pixelseek export-onnx`), or install it: pip install 'pixelseek[gpu]'"
            if on_cpu
            else f"device {device} needs PyTorch: pip install 'pixelseek[gpu]'"
        )
    from model.torch_runtime import TorchRuntime

    return TorchRuntime.load(weights, device=device)


def load_gradient_runtime(weights: Path | OpenedWeights, *, device: str = "auto") -> GradientRuntime:
    """As `load_runtime`, always by PyTorch. Raises WeightsError also where that is not installed."""
    if not find_spec("torch"):
        raise WeightsError("gradients need PyTorch: pip install 'pixelseek[gpu]'")
    from model.torch_runtime import TorchRuntime

    return TorchRuntime.load(weights, device=device)
