"""Train the heads of finished weights, whose trunk is frozen: minutes on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from model.atomic import replacing
from model.data.shards import Shard
from model.heads import Head, Task
from model.network.heads import TaskHead
from model.opened import OpenedWeights
from model.runtime.head_graphs import write_head_graph
from model.scoring.calibration_fitting import best_cutoff
from model.tasks.evaluation import Bench, Report, right
from model.tasks.examples import Example
from model.tasks.fitting import fit, labels_of


def train_heads(
    weights: Path, shards: Sequence[Shard], tasks: Sequence[Task], *, device: str = "auto", progress: bool = True
) -> Iterator[Report]:
    """Make the heads for `tasks` in folder `weights` from the train photos of `shards`, and say of each how good it is
    on dev photos.

    Each photo passes the CNN once. Raises ShardError where there is nothing to learn a task from, or no dev photos.
    """
    bench = Bench(OpenedWeights(weights), shards, tasks, learn=True, device=device, progress=progress)
    for task in tasks:
        learned, dev = bench.examples[task]["train"], bench.examples[task]["dev"]
        labels = labels_of(task, learned)
        head = fit(bench.network.config, task, learned, bench.summaries(learned), labels, progress=progress)
        with torch.inference_mode():
            logits = head(bench.summaries(dev)).numpy()
        with bench.weights.reading() as folder:
            new_head = Head(task, tuple(labels), bench.weights.generation)
            saved_head = save_head(folder, calibrated(new_head, dev, logits), head)
        yield bench.report(saved_head)


def save_head(weights: Path, head: Head, network: TaskHead) -> Head:
    """Write a head and its graph into the folder of the weights it was made for; returns the head as it lies there."""
    state = {name: tensor.half().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(weights / f"{head.task}.safetensors") as new:
        new.write_bytes(save(state))
    write_head_graph(weights, head.task)
    return head.save(weights)


def calibrated(head: Head, dev: Sequence[Example], logits: NDArray[np.float32]) -> Head:
    """The head with scale and cut-off fitted to its logits (N, L) for the examples `dev`.

    The scale has the lowest Brier score; the cut-off best separates right answers from wrong ones.
    """
    correct = right(head, dev, logits)

    def brier(scale: float) -> float:
        sure = replace(head, scale=scale).probabilities(logits).max(axis=1)
        return float(np.mean((sure - correct) ** 2))

    fitted = replace(head, scale=float(min(np.geomspace(0.05, 5.0, 93), key=brier)))
    sure = fitted.probabilities(logits).max(axis=1)
    return replace(fitted, cutoff=best_cutoff(sure, correct >= 0.5, np.ones(len(dev))))
