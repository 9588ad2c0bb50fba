"""Heads for the tests: real in every part, but random."""

from __future__ import annotations

from pathlib import Path

from model.heads import PHOTOS, TRUTH, Head, Task
from model.weights import generation

ANSWERS = ("yes", "no", "red", "blue", "2", "circle")


def add_head(weights: Path, task: Task, *, cutoff: float = 0.0) -> Head:
    """Give the weights in a folder a head for `task`."""
    import torch
    from safetensors.torch import save

    from model.network.configuration import PixelBertConfig
    from model.network.heads import TaskHead

    head = Head(task, ANSWERS if task == "vqa" else TRUTH, generation(weights), scale=0.5, cutoff=cutoff)
    torch.manual_seed(len(task))
    network = TaskHead(PixelBertConfig.from_pretrained(weights), PHOTOS[task], len(head.labels))
    state = {name: tensor.half() for name, tensor in network.state_dict().items()}
    (weights / f"{task}.safetensors").write_bytes(save(state))
    return head.save(weights)
