"""The heads of a Pixel-BERT for other tasks than retrieval: small networks beside its weights, made for those alone.

A head `NAME` in a folder of weights is `NAME.json` (this), `NAME.safetensors` (its tensors) and `NAME.onnx` (the graph
by which it is computed without PyTorch). It reads what a rerank reads: words and pixels at the fusion layer.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from model.atomic import replacing
from model.opened import HeldFiles
from model.weights import WeightsError, read_json

Task: TypeAlias = Literal["vqa", "statements", "pairs"]
TASKS: tuple[Task, ...] = get_args(Task)
PHOTOS: dict[Task, int] = {"vqa": 1, "statements": 1, "pairs": 2}
"""How many photos a sentence of each task is about."""
TRUTH = ("false", "true")
"""The labels of a statement."""
_MAX_LABELS = 10_000


@dataclass(frozen=True)
class Head:
    """A head without its tensors."""

    task: Task
    labels: tuple[str, ...]
    """What each output stands for: answers, or `TRUTH`."""
    trunk: str
    """The generation of the weights it was made for (`model.weights.generation`)."""
    scale: float = 1.0
    """Fitted on dev, so that the probability of the first label says how often it is right."""
    cutoff: float = 0.0
    """The probability of the first answer below which it is best taken for not known, chosen on dev."""
    tensors: str = ""
    """The digest of the file with its tensors; none before they are written."""

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits (B, L) -> the probabilities (B, L) of the labels, which add up to 1."""
        scaled = self.scale * logits.astype(np.float64)
        likely = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=-1, keepdims=True))

    def held(self, weights: Path) -> HeldFiles:
        """The file of its tensors in folder `weights`. Raises WeightsError if it holds the tensors of another head."""
        files = _tensors(weights, self.task)
        if files.digest != self.tensors:
            raise WeightsError(
                f"{self.task}.safetensors and {self.task}.json in {weights} are of two heads: "
                f"{_make(weights)} both anew."
            )
        return files

    def save(self, weights: Path) -> Head:
        """Write it into folder `weights`, beside its tensors; returns the head as it lies there.

        Call it last: until then the tensors are refused as those of another head.
        """
        head = replace(self, tensors=_tensors(weights, self.task).digest)
        with replacing(weights / f"{self.task}.json") as new:
            new.write_text(json.dumps(asdict(head), indent=2) + "\n", encoding="utf-8")
        return head

    @classmethod
    def load(cls, weights: Path, task: Task, trunk: str) -> Head:
        """The head for `task` in folder `weights`, whose generation is `trunk`.

        Raises WeightsError when there is none, or it was made for other weights: its answers would make no sense.
        """
        path = weights / f"{task}.json"
        if not (path.is_file() and (weights / f"{task}.safetensors").is_file()):
            raise WeightsError(f"{weights} has no head for {task}: {_make(weights)} it.")
        try:
            settings = read_json(path)
            head = cls(**{**settings, "labels": tuple(map(str, settings["labels"]))})
            fits = head.task == task and 1 < len(head.labels) <= _MAX_LABELS
            fits = fits and all(np.isfinite(float(number)) for number in (head.scale, head.cutoff))
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"{path} is not a head ({error}): {_make(weights)} it anew.") from error
        if not fits:
            raise WeightsError(f"{path} is not a head for {task}.")
        if not head.tensors:
            raise WeightsError(f"{path} was made by an older Pixelseek: {_make(weights)} it anew.")
        if head.trunk != trunk:
            raise WeightsError(f"{path} was made for other weights than those beside it: {_make(weights)} it anew.")
        return head


def _tensors(weights: Path, task: Task) -> HeldFiles:
    return HeldFiles(weights, (f"{task}.safetensors",))


def _make(weights: Path) -> str:
    return f"`pixelseek model heads --weights {shlex.quote(str(weights))} --data SHARD` makes"


def heads_in(weights: Path) -> list[Task]:
    """The tasks for which folder `weights` holds the tensors of a head, whichever weights it was made for."""
    return [task for task in TASKS if (weights / f"{task}.safetensors").is_file()]
