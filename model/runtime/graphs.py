"""The graphs that ONNX Runtime computes with, made from the network: one for each pass of the runtime protocol.

A graph holds no weights. It says where in `model.safetensors` each tensor lies (ONNX calls this external data), so
that there is one copy of them, and a graph is true of any weights of the same layout.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from model.atomic import replacing
from model.image_processor import PixelBertImageProcessor
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.network.pixels import Tokens
from model.runtime.onnx_runtime import CELLS, IMAGE_OUTPUTS, LAYOUT_KEY
from model.runtime.torch_runtime import load_network
from model.weights import layout

_OPSET = 20  # the first that has Gelu
WEIGHTS_FILE = "model.safetensors"
PREFIX = "model."  # of the weights' names inside a pass
_DTYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}
_DYNAMIC = torch.export.Dim.DYNAMIC


def write_graphs(weights: Path) -> list[Path]:
    """Write the graphs of the network in folder `weights` into it; their paths.

    Raises WeightsError when the folder does not hold a complete Pixel-BERT.
    """
    model, processor = load_network(weights), PixelBertImageProcessor.from_pretrained(weights)
    stored, stamp = stored_tensors(weights / WEIGHTS_FILE, PREFIX), layout(weights)
    paths = []
    for name, graph_pass in _passes(model, processor).items():
        paths.append(weights / f"{name}.onnx")
        write_graph(paths[-1], graph_pass, stored, stamp)
    return paths


class _Pixels(nn.Module):
    """Photos as bytes (B, H, W, 3) -> pixel features (B, P, D), embeddings (B, E), pooled features (B, C) and the cells
    (B, P, C) that those are the mean of.
    """

    def __init__(self, model: PixelBertForImageTextRetrieval, processor: PixelBertImageProcessor) -> None:
        super().__init__()
        self.model = model
        self.mean, self.std = processor.image_mean, processor.image_std

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        channels = [
            (images[..., channel].float() - mean) / std
            for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True))
        ]
        return self.model.encode_image(torch.stack(channels, dim=1))


class _Words(nn.Module):
    """Word pieces (B, T) and their mask (B, T) -> word features (B, T, D) and embeddings (B, E)."""

    def __init__(self, model: PixelBertForImageTextRetrieval) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        words = self.model.pixelbert.encode_words(input_ids, attention_mask)
        return words.states, self.model.embed_text(words)


class _Match(nn.Module):
    """Word features (B, T, D), pixel features (B, P, D) and their masks -> ITM logits (B,)."""

    def __init__(self, model: PixelBertForImageTextRetrieval) -> None:
        super().__init__()
        self.model = model

    def forward(self, words: Tensor, word_mask: Tensor, pixels: Tensor, pixel_mask: Tensor) -> Tensor:
        return self.model.itm_logits(Tokens(words, word_mask), Tokens(pixels, pixel_mask))


class _Attention(_Match):
    """The same -> how much each token looks at each in every cross-modal layer (B, L, heads, T + P, T + P)."""

    def forward(self, words: Tensor, word_mask: Tensor, pixels: Tensor, pixel_mask: Tensor) -> Tensor:
        return self.model.attend(Tokens(words, word_mask), Tokens(pixels, pixel_mask))


@dataclass(frozen=True)
class Pass:
    """A module with an example of its inputs, by name, and which of their dimensions vary."""

    module: nn.Module
    inputs: dict[str, Tensor]
    varying: Sequence[set[int]]
    outputs: list[str]


def _passes(model: PixelBertForImageTextRetrieval, processor: PixelBertImageProcessor) -> dict[str, Pass]:
    width, height = processor.target_size(4, 3)
    words, pixels, size = 7, 11, model.config.hidden_size
    both = {
        "word_features": torch.zeros(2, words, size),
        "word_mask": torch.ones(2, words, dtype=torch.bool),
        "pixel_features": torch.zeros(2, pixels, size),
        "pixel_mask": torch.ones(2, pixels, dtype=torch.bool),
    }
    return {
        "pixels": Pass(
            _Pixels(model, processor),
            {"images": torch.zeros(2, height, width, 3, dtype=torch.uint8)},
            [{0} if processor.aspect == "squash" else {0, 1, 2}],
            [*IMAGE_OUTPUTS, CELLS],
        ),
        "words": Pass(
            _Words(model),
            {
                "input_ids": torch.zeros(2, words, dtype=torch.long),
                "attention_mask": torch.ones(2, words, dtype=torch.bool),
            },
            [{0, 1}] * 2,
            ["word_features", "embeddings"],
        ),
        "match": Pass(_Match(model), both, [{0, 1}] * 4, ["itm_logits"]),
        "attention": Pass(_Attention(model), both, [{0, 1}] * 4, ["attention"]),
    }


def write_graph(path: Path, graph_pass: Pass, stored: dict[str, Stored], stamp: str) -> None:
    """Write the graph of a pass, whose weights lie where `stored` says; true of the layout `stamp`."""
    graph = _export(graph_pass)
    _point_at_weights(graph.graph, stored)
    _strip(graph)
    helper.set_model_props(graph, {LAYOUT_KEY: stamp})
    with replacing(path) as new:
        new.write_bytes(graph.SerializeToString(deterministic=True))
        onnx.checker.check_model(new)


class _WithWeights(nn.Module):
    """A pass whose weights are inputs: nothing that is done to them is worked out while exporting."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = [module]  # not a part of this module, so that it has no weights of its own

    def forward(self, state: dict[str, Tensor], *inputs: Tensor) -> object:
        result: object = torch.func.functional_call(self._module[0], state, inputs)
        return result


@torch.no_grad()
def _export(graph_pass: Pass) -> onnx.ModelProto:
    state = {name: tensor for name, tensor in graph_pass.module.state_dict().items() if tensor.is_floating_point()}
    varying = tuple(dict.fromkeys(dimensions, _DYNAMIC) for dimensions in graph_pass.varying)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making, none of which a reader could mend
        program = torch.onnx.export(
            _WithWeights(graph_pass.module),
            (state, *graph_pass.inputs.values()),
            input_names=[*state, *graph_pass.inputs],
            output_names=graph_pass.outputs,
            opset_version=_OPSET,
            dynamo=True,
            dynamic_shapes=({key: {} for key in state}, varying),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies in a file of the weights' folder."""

    file: str
    dtype: str
    shape: list[int]
    offset: int
    length: int


def stored_tensors(path: Path, prefix: str) -> dict[str, Stored]:
    """The tensors of a safetensors file, their names after `prefix`.

    It has 8 bytes of length, a JSON header, then the tensors.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        prefix + name: Stored(path.name, entry["dtype"], entry["shape"], 8 + length + start, end - start)
        for name, entry in header.items()
        for start, end in [entry["data_offsets"]]
    }


def _point_at_weights(graph: onnx.GraphProto, stored: dict[str, Stored]) -> None:
    """Turn the weights among the inputs into external data, read as float32 whatever they are stored as."""
    prefixes = tuple({name[: name.index(".") + 1] for name in stored})
    weights = {value.name for value in graph.input if value.name.startswith(prefixes)}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    casts, nodes = {}, []
    for node in graph.node:
        gathers = node.op_type == "Gather" and node.input[0] in weights
        for place, name in enumerate(node.input):
            if name in weights and _needs_cast(stored, name) and not gathers:
                casts[name] = helper.make_node("Cast", [name], [f"{name}.float32"], to=TensorProto.FLOAT)
                node.input[place] = f"{name}.float32"
        nodes.append(node)
        if gathers and _needs_cast(stored, node.input[0]):  # a few rows rather than a whole vocabulary
            gathered = f"{node.output[0]}.stored"
            nodes.append(helper.make_node("Cast", [gathered], [node.output[0]], to=TensorProto.FLOAT))
            node.output[0] = gathered
    used = {name for node in [*casts.values(), *nodes] for name in node.input} & weights
    graph.initializer.extend(_external(name, stored[name]) for name in sorted(used))
    nodes = [*(casts[name] for name in sorted(casts)), *nodes]
    del graph.node[:]
    graph.node.extend(nodes)


def _needs_cast(stored: dict[str, Stored], name: str) -> bool:
    return stored[name].dtype != "F32"


def _external(name: str, stored: Stored) -> TensorProto:
    tensor = TensorProto(name=name, dims=stored.shape, data_type=_DTYPES[stored.dtype])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": stored.file, "offset": stored.offset, "length": stored.length}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _strip(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes of its own work: source lines, paths of this machine, shapes in between."""
    del model.graph.value_info[:], model.graph.metadata_props[:], model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
