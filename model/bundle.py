"""A trained Pixel-BERT with all its parts: network, processor, ranker and heads."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from threading import Lock

from model.heads import Head, Task
from model.opened import OpenedWeights
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.protocol import TaskRuntime
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.ranker import Ranker
from model.weights import DEFAULT, find_weights, lasting_name


class TrainedModel:
    """The weights called `weights` (a name or a folder). Each part is loaded on first use. Threads may share one.

    Raises WeightsError when there are no such weights. All parts belong to the weights that were there at that time: a
    part raises WeightsError when it cannot be read, and WeightsReplaced when the folder holds other weights by then.
    """

    def __init__(
        self, weights: str | Path = DEFAULT, *, device: str = "auto", threads: int = 0, reranker: str | None = None
    ) -> None:
        """`reranker` is the address of other machines that rerank; None: this one does."""
        self.name = str(weights)
        self.device = device
        """Where it is asked to compute: `auto`, `cpu`, `cuda`, ..."""
        self._threads = threads
        self._reranker_url = reranker
        self._weights = OpenedWeights(find_weights(weights))
        self._loading = Lock()
        self._runtime: TaskRuntime | None = None

    @property
    def folder(self) -> Path:
        """The folder of the weights."""
        return self._weights.folder

    @property
    def lasting_name(self) -> str:
        """See `weights.lasting_name`."""
        return lasting_name(self.name, self.folder)

    @property
    def generation(self) -> str:
        """See `weights.generation`."""
        return self._weights.generation

    @cached_property
    def processor(self) -> PixelBertProcessor:
        """The tokenizer and image transform of the network."""
        with self._weights.reading() as folder:
            return PixelBertProcessor.from_pretrained(folder)

    @cached_property
    def scoring_parameters(self) -> ScoringParameters:
        """The fitted parameters of its scores."""
        return ScoringParameters.load(self.folder, self.generation)

    @cached_property
    def photo_vectors(self) -> PhotoVectors:
        """Makes the vectors that its shortlists compare; it needs no network."""
        return PhotoVectors(self.scoring_parameters)

    @cached_property
    def ranker(self) -> Ranker:
        """Scores sentences against photos, by `runtime`."""
        return Ranker(self.runtime, self.scoring_parameters)

    @cached_property
    def reranker(self) -> Ranker:
        """Scores the photos of a shortlist: `ranker`, or the same with the joint pass on other machines."""
        if self._reranker_url is None:
            return self.ranker
        from model.runtime.remote_pairs import RemotePairs

        return self.ranker.with_joint_pass(RemotePairs(self._reranker_url, self.generation))

    @property
    def at_once(self) -> int:
        """How many searches of different threads gain by being made at once."""
        if self._reranker_url is None:
            return self.runtime.at_once
        from model.runtime.remote_pairs import AT_ONCE

        return max(AT_ONCE, self.runtime.at_once)

    def prepare(self, *, rerank: bool) -> None:
        """Load what a search needs now, and not when it is first used; the joint pass only where it runs here."""
        self.runtime.prepare(rerank=rerank and self._reranker_url is None)
        _ = self.ranker

    def head(self, task: Task) -> Head:
        """The head for `task`. Raises WeightsError when there is none, or it was made for other weights."""
        return Head.load(self.folder, task, self.generation)

    @property
    def runtime(self) -> TaskRuntime:
        """The network, loaded once."""
        with self._loading:
            if self._runtime is None:
                self._runtime = load_runtime(self._weights, device=self.device, threads=self._threads)
            return self._runtime
