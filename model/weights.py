"""Find a trained Pixel-BERT by name or path, and tell one from another, without importing PyTorch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Any

from model import quantization
from model.errors import PixelseekError

SHIPPED = Path(__file__).parent / "weights"
DEFAULT = "pixelbert-small"
FILES = ("config.json", "model.safetensors", "processor_config.json", "tokenizer.json")
GRAPHS = ("pixels.onnx", "words.onnx", "match.onnx", "attention.onnx")
"""What `pixelseek export-onnx` adds, one for each pass: the weights without PyTorch."""
_PASSES_VERSION = b"3"  # of what the graphs take and give; 2: every layer's and head's attention; 3: pooled features
_HEADS = [f"{task}.{suffix}" for task in ("vqa", "statements", "pairs") for suffix in ("json", "safetensors", "onnx")]
_LARGEST_JSON_BYTES = 1 << 20
_PIECE_BYTES = 64 << 20  # large: after each piece a thread would have to wait for the interpreter again
_HEADER_BYTES = 100_000_000  # the most that safetensors allows


class WeightsError(PixelseekError):
    """Weights that are missing, incomplete or not a Pixel-BERT; the message names the folder and the remedy."""


def find_weights(name_or_path: str | Path = DEFAULT) -> Path:
    """The folder of weights called `name_or_path`: a folder, a shipped name, or a Hugging Face repository id.

    Raises WeightsError when there is no such thing, or a file of it is missing or empty.
    """
    for folder in (Path(name_or_path).expanduser(), SHIPPED / str(name_or_path)):
        if folder.is_dir():
            missing = [name for name in FILES if not (folder / name).is_file() or not (folder / name).stat().st_size]
            if missing:
                raise WeightsError(
                    f"{folder} is not a complete Pixel-BERT: {', '.join(missing)} missing or empty. "
                    "Train one with `pixelseek train`, or name another folder with --weights."
                )
            return folder
    if str(name_or_path).count("/") == 1 and not str(name_or_path).startswith((".", "/", "~")):
        return _download(str(name_or_path))
    shipped = ", ".join(sorted(config.parent.name for config in SHIPPED.glob("*/config.json"))) or "none"
    raise WeightsError(f"no weights called {name_or_path}: neither a folder nor shipped (shipped: {shipped}).")


def lasting_name(name_or_path: str | Path) -> str:
    """A name by which `find_weights` finds the same weights from anywhere."""
    folder = Path(name_or_path).expanduser()
    return str(folder.absolute()) if folder.is_dir() else str(name_or_path)


def generation(weights: Path) -> str:
    """A digest (16 hex digits) of all that decides an encoding: weights, configuration, processor, quantiser.

    Two folders of one generation give the same embeddings and pixel features. The calibration is left
    out on purpose: it changes how a score is read, not what is stored. Who computes with the weights, too, takes it
    from `model.opened.OpenedWeights`.
    """
    with ExitStack() as stack:
        return digest({name: stack.enter_context(FileIO(weights / name)) for name in FILES})


def digest(files: Mapping[str, FileIO]) -> str:
    """A digest (16 hex digits) of open files by name, and of the quantiser."""
    state = hashlib.blake2b(quantization.VERSION.encode(), digest_size=8)
    for name, file in files.items():
        state.update(f"{name}\0{os.fstat(file.fileno()).st_size}\0".encode())
        file.seek(0)
        # Read, not mapped: a process dies that touches the map of a file which is cut short meanwhile.
        while piece := file.read(_PIECE_BYTES):
            state.update(piece)
    return state.hexdigest()


def has_graphs(weights: Path) -> bool:
    """Whether folder `weights` can be computed without PyTorch."""
    return all((weights / name).is_file() for name in GRAPHS)


def layout(weights: Path, *heads: str) -> str:
    """A digest (16 hex digits) of all that decides a graph: configuration, processor, and where each tensor lies.

    Not of the tensors' values: a graph reads them from `model.safetensors` itself, and from the files of `heads`.
    """
    digest = hashlib.blake2b(_PASSES_VERSION, digest_size=8)
    digest.update((weights / "config.json").read_bytes())
    digest.update((weights / "processor_config.json").read_bytes())
    for name in ("model", *heads):
        with (weights / f"{name}.safetensors").open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            digest.update(file.read(min(length, _HEADER_BYTES)))
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises WeightsError when it holds anything else."""
    try:
        if path.stat().st_size > _LARGEST_JSON_BYTES:
            raise WeightsError(f"{path} is larger than any configuration.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path} does not hold a JSON object.")
    return value


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        allowed = [*FILES, *GRAPHS, "calibration.json", "querybank.npy", "word_evidence.npz", *_HEADS]
        return Path(snapshot_download(repository, allow_patterns=allowed))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(f"{repository}: neither a local folder nor a model that can be downloaded.") from error
