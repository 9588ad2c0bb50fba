"""Make the heads of finished weights, whose trunk stays as it is: minutes on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from model.atomic import replacing
from model.calibration import best_cutoff, logistic
from model.tasks.evaluation import Bench, Report, right
from model.tasks.examples import Example
from model.tasks.fitting import fit, labels_of
from model.tasks.graphs import write_head_graph
from model.tasks.heads import Head, Task
from model.weights import generation


def train_heads(
    weights: Path, shards: Sequence[Path], tasks: Sequence[Task], *, device: str = "auto", progress: bool = True
) -> list[Report]:
    """Make the heads for `tasks` in folder `weights` from the train photos of `shards`; how good they are on dev.

    Each photo passes the CNN once. Raises ShardError where there is nothing to learn a task from, or no dev photos.
    """
    bench = Bench(weights, shards, tasks, device=device, progress=progress, train=True)
    trunk, reports = generation(weights), []
    for task in tasks:
        learned, dev = bench.examples[task]["train"], bench.examples[task]["dev"]
        labels = labels_of(task, learned)
        head = fit(bench.network.config, task, learned, bench.summaries(learned), labels, progress=progress)
        with torch.inference_mode():
            logits = head(bench.summaries(dev)).numpy()
        known = _calibrated(Head(task, tuple(labels), trunk), dev, logits)
        with replacing(weights / f"{task}.safetensors") as new:
            save_file({name: tensor.half() for name, tensor in head.state_dict().items()}, new)
        known.save(weights)
        write_head_graph(weights, task)
        reports.append(bench.report(known))
    return reports


def _calibrated(head: Head, dev: Sequence[Example], logits: NDArray[np.float32]) -> Head:
    """The head with scale, bias and cut-off fitted to how right its first answers to `dev` are."""
    if head.task == "vqa":
        first, correct = logits.max(axis=1), right(head, dev, logits)
    else:
        first = logits[:, 1] - logits[:, 0]
        correct = np.array([one.question.answers[0] == head.labels[1] for one in dev], dtype=np.float64)
    scale, bias = logistic(first.astype(np.float64), correct, np.ones(len(dev)))
    fitted = replace(head, scale=scale, bias=bias)
    if head.task == "vqa":
        cutoff = best_cutoff(fitted.probabilities(first), correct >= 0.5, np.ones(len(dev)))
        fitted = replace(fitted, cutoff=cutoff)
    return fitted
