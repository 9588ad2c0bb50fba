"""Measure heads, beside baselines that do not look at the photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.data.shards import Shard, ShardError, read_shards
from model.heads import PHOTOS, TRUTH, Head, Task
from model.metrics import mean_interval, percent
from model.opened import OpenedWeights
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.torch_runtime import load_network
from model.tasks.answers import accuracy, frequent_by_type, question_type
from model.tasks.examples import Example, consistency, examples
from model.tasks.fitting import fit
from model.tasks.summaries import encode_photos, summaries
from model.weights import WeightsError


@dataclass(frozen=True)
class Row:
    """The figures of one way to answer, in percent by name, and the 95 % interval of its `accuracy`."""

    name: str
    figures: dict[str, float]
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """The head and the baselines on one split; all figures in percent."""

    task: Task
    weights: str
    split: str
    examples: int
    photos: int
    labels: int
    cutoff: float
    rows: list[Row] = field(default_factory=list)
    gain: dict[str, float] = field(default_factory=dict)
    """Accuracy of the head less that of the same head without photos, in points, with its 95 % interval."""
    known: dict[str, float] = field(default_factory=dict)
    """The `share` of questions to which the head does not say that it does not know, and its `accuracy` on these."""

    def to_json(self) -> dict[str, Any]:
        """The report as the command line prints it."""
        return asdict(self)

    def text(self) -> str:
        """The report for a terminal."""
        names = list(self.rows[-1].figures)
        width = max(len(row.name) for row in self.rows)
        lines = [f"{self.task}: {self.examples:,} {self.split} sentences about {self.photos:,} photos, in percent"]
        lines.append(f"  {'':{width}}  {'  '.join(f'{name:>11}' for name in names)}  95 % interval of accuracy")
        for row in self.rows:
            figures = "  ".join(f"{row.figures[name]:11.1f}" for name in names)
            lines.append(f"  {row.name:{width}}  {figures}  {row.low:.1f} to {row.high:.1f}")
        lines.append(
            f"  the photo adds {self.gain['gain']:+.1f} points, 95 % interval {self.gain['low']:+.1f} to "
            f"{self.gain['high']:+.1f} (paired bootstrap over photos)"
        )
        if self.known:
            lines.append(
                f"  {self.known['share']:.1f} of the answers are known, at least {self.cutoff:.0%} likely; of these "
                f"{self.known['accuracy']:.1f} are right"
            )
        return "\n".join(lines)


class Bench:
    """Weights, with the examples of tasks to learn from (`train`) and to measure on (`split`).

    The pixel features of their photos are worked out once, those of train photos only where a head will `learn`.

    Raises ShardError where a task has no examples in one of the splits.
    """

    def __init__(
        self,
        weights: OpenedWeights,
        shards: Sequence[Shard],
        tasks: Sequence[Task],
        *,
        split: str = "dev",
        learn: bool,
        device: str,
        progress: bool,
    ) -> None:
        self.weights, self.split, self.progress = weights, split, progress
        self.runtime = load_runtime(weights, device=device)
        with weights.reading() as folder:
            self.processor = PixelBertProcessor.from_pretrained(folder)
            self.network = load_network(folder).eval()
        photos = {split: read_shards(shards, split, captioned=False) for split in ("train", split)}
        self.examples: Mapping[Task, Mapping[str, list[Example]]] = {
            task: {split: examples(task, subset) for split, subset in photos.items()} for task in tasks
        }
        for task, splits in self.examples.items():
            for split, results in splits.items():
                if not results:
                    where = ", ".join(map(str, shards))
                    raise ShardError(f"the {split} photos in {where} have no examples for {task}")
        looked_at = ("train", split) if learn else (split,)
        needed = {
            key
            for splits in self.examples.values()
            for split in looked_at
            for example in splits[split]
            for key in example.photos
        }
        needed_photos = [photo for subset in photos.values() for photo in subset if photo.key in needed]
        self._features = encode_photos(self.runtime, self.processor, needed_photos, progress=progress)

    def summaries(self, subset: Sequence[Example], *, photos: bool = True) -> Tensor:
        """What a head reads of them (N, S); without `photos`, of the sentences alone."""
        features = [[self._features[key] for key in example.photos] if photos else [] for example in subset]
        sentences = [example.question.question for example in subset]
        return summaries(self.network.pixelbert, self.processor, sentences, features, progress=self.progress)

    def report(self, head: Head) -> Report:
        """`head`, which stands beside the weights, on the examples of `split`, computed as `pixelseek ask` does."""
        learned, measured = self.examples[head.task]["train"], self.examples[head.task][self.split]
        keys = {key: number for number, key in enumerate(self._features)}
        photos = np.array([keys[example.photos[0]] for example in measured], dtype=np.int64)
        results: dict[str, NDArray[np.float64]] = {}
        if head.task == "vqa":
            frequent = frequent_by_type([example.question for example in learned])
            usual = [frequent.get(question_type(example.question.question), frequent[""]) for example in measured]
            results["most frequent answer of the question's type"] = _correct(usual, measured)
        else:
            true = sum(example.question.answers[0] == TRUTH[1] for example in learned) * 2 >= len(learned)
            results["always the more frequent label"] = _correct([TRUTH[true]] * len(measured), measured)
        blind = fit(
            self.network.config,
            head.task,
            learned,
            self.summaries(learned, photos=False),
            head.labels,
            photos=0,
            progress=self.progress,
        )
        with torch.inference_mode():
            without = blind(self.summaries(measured, photos=False)).numpy()
        results["sentence alone"] = right(head, measured, without)
        logits = self._logits(head, measured)
        results["sentence and photo"] = right(head, measured, logits)
        gain, low, high = mean_interval(results["sentence and photo"] - results["sentence alone"], photos)
        return Report(
            head.task,
            str(self.weights.folder),
            self.split,
            len(measured),
            len({key for example in measured for key in example.photos}),
            len(head.labels),
            head.cutoff,
            [_row(name, values, head.task, measured, photos) for name, values in results.items()],
            {"gain": percent(gain), "low": percent(low), "high": percent(high)},
            _known(head, logits, results["sentence and photo"]) if head.task == "vqa" else {},
        )

    def _logits(self, head: Head, subset: Sequence[Example]) -> NDArray[np.float32]:
        text = self.runtime.encode_text([example.question.question for example in subset])
        photos = [
            [self._features[example.photos[place]].astype(np.float32) for example in subset]
            for place in range(PHOTOS[head.task])
        ]
        return self.runtime.classify(head, text, *photos)


def evaluate_task(
    weights: Path,
    shards: Sequence[Shard],
    task: Task,
    *,
    split: str = "dev",
    device: str = "auto",
    progress: bool = True,
) -> Report:
    """The head for `task` beside `weights` on the photos of `split`; the baselines learn from the train photos.

    Raises WeightsError where there is no such head, and ShardError as `Bench` does.
    """
    opened = OpenedWeights(weights)
    head = Head.load(weights, task, opened.generation)
    return Bench(opened, shards, [task], split=split, learn=False, device=device, progress=progress).report(head)


def right(head: Head, subset: Sequence[Example], logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The accuracy (0 to 1) of the first label of each row of logits (N, L).

    Raises WeightsError when a logit is not finite: of NaN the first label would be the likeliest, which is often right.
    """
    if not np.isfinite(logits).all():
        raise WeightsError(f"the weights or the head for {head.task} are of no use: what it answers is not finite.")
    return _correct([head.labels[column] for column in logits.argmax(axis=1)], subset)


def _correct(answers_given: Sequence[str], subset: Sequence[Example]) -> NDArray[np.float64]:
    return np.array(
        [accuracy(answer, example.question.answers) for answer, example in zip(answers_given, subset, strict=True)]
    )


def _known(head: Head, logits: NDArray[np.float32], correct: NDArray[np.float64]) -> dict[str, float]:
    sure = head.probabilities(logits).max(axis=1) >= head.cutoff
    return {"share": percent(sure.mean()), "accuracy": percent(correct[sure].mean()) if sure.any() else 0.0}


def _row(
    name: str, values: NDArray[np.float64], task: Task, subset: Sequence[Example], photos: NDArray[np.int64]
) -> Row:
    mean, low, high = mean_interval(values, photos)
    figures = {"accuracy": percent(mean)}
    parts = (
        {"ten answers" if len(example.question.answers) > 1 else "one answer" for example in subset}
        if task == "vqa"
        else ()
    )
    for part in sorted(parts, reverse=True):
        those = np.array([(len(example.question.answers) > 1) == (part == "ten answers") for example in subset])
        figures[part] = percent(values[those].mean())
    if task == "pairs":
        figures["consistency"] = percent(consistency(values, [example.group for example in subset]))
        for kind in sorted({example.kind for example in subset} - {""}):
            figures[kind] = percent(values[np.array([example.kind == kind for example in subset])].mean())
    return Row(name, figures, percent(low), percent(high))
