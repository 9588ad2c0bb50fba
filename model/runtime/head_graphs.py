"""The graphs by which heads are computed without PyTorch; see `model.runtime.graphs`."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from model.heads import PHOTOS, Task
from model.network.configuration import PixelBertConfig
from model.network.heads import TaskHead, load_head, summary
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.network.pixels import Tokens
from model.runtime.graphs import PREFIX, WEIGHTS_FILE, Pass, stored_tensors, write_graph
from model.runtime.torch_runtime import load_network
from model.weights import layout


class _Classify(nn.Module):
    """Word features (B, T, D) and their mask, then the same of each photo -> logits (B, L)."""

    def __init__(self, model: PixelBertForImageTextRetrieval, head: TaskHead) -> None:
        super().__init__()
        self.model, self.head = model, head

    def forward(self, words: Tensor, word_mask: Tensor, *photos: Tensor) -> Tensor:
        sides = [Tokens(*pair) for pair in zip(photos[::2], photos[1::2], strict=True)]
        logits: Tensor = self.head(summary(self.model.pixelbert, Tokens(words, word_mask), sides))
        return logits


def write_head_graph(weights: Path, task: Task) -> Path:
    """Write the graph of the head for `task` in folder `weights` into it; its path.

    Raises WeightsError when there is no such head.
    """
    model = load_network(weights)
    assert isinstance(model.config, PixelBertConfig)
    head = load_head(weights, task, model.config)
    words, pixels, size = 7, 11, model.config.hidden_size
    inputs = {"word_features": torch.zeros(2, words, size), "word_mask": torch.ones(2, words, dtype=torch.bool)}
    for photo in range(PHOTOS[task]):
        inputs[f"pixel_features_{photo}"] = torch.zeros(2, pixels + photo, size)
        inputs[f"pixel_mask_{photo}"] = torch.ones(2, pixels + photo, dtype=torch.bool)
    stored = stored_tensors(weights / WEIGHTS_FILE, PREFIX) | stored_tensors(weights / f"{task}.safetensors", "head.")
    path = weights / f"{task}.onnx"
    graph_pass = Pass(_Classify(model, head), inputs, [{0, 1}] * len(inputs), ["logits"])
    write_graph(path, graph_pass, stored, layout(weights, task))
    return path
