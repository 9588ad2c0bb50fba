"""A trained Pixel-BERT as one thing: its network, what it reads, and how its scores are read."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from model.calibration import Calibration
from model.processor import PixelBertProcessor
from model.querybank import Querybank
from model.runtime import GradientRuntime, TaskRuntime, load_gradient_runtime, load_runtime
from model.tasks.heads import Head, Task
from model.weights import DEFAULT, find_weights, generation
from model.word_evidence import WordEvidence


class TrainedModel:
    """The weights called `weights` (a name or a folder); each part is loaded when it is first asked for.

    Raises WeightsError when there are no such weights, and its parts do when they cannot be read.
    """

    def __init__(self, weights: str | Path = DEFAULT, *, device: str = "auto") -> None:
        self.name = str(weights)
        self.folder = find_weights(weights)
        self._device = device

    @cached_property
    def generation(self) -> str:
        """See `weights.generation`."""
        return generation(self.folder)

    @cached_property
    def processor(self) -> PixelBertProcessor:
        """What the network reads."""
        return PixelBertProcessor.from_pretrained(self.folder)

    @cached_property
    def calibration(self) -> Calibration:
        """How its scores are read."""
        return Calibration.load(self.folder)

    def head(self, task: Task) -> Head:
        """What it has learned beside retrieval. Raises WeightsError when it has not, or for other weights."""
        return Head.load(self.folder, task, self.generation)

    @cached_property
    def querybank(self) -> Querybank:
        """The sentences that its similarities are normalised by."""
        return Querybank.load(self.folder)

    @cached_property
    def evidence(self) -> WordEvidence:
        """What the words of a sentence add to its ITM logits."""
        return WordEvidence.load(self.folder)

    @cached_property
    def runtime(self) -> TaskRuntime:
        """The network."""
        return load_runtime(self.folder, device=self._device)

    @cached_property
    def gradient_runtime(self) -> GradientRuntime:
        """The network, with gradients. Raises WeightsError without PyTorch."""
        return load_gradient_runtime(self.folder, device=self._device)
