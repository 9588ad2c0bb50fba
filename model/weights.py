"""Find a trained Pixel-BERT by name or path, and compute its digest, without importing PyTorch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Any

from model import quantization
from model.errors import PixelseekError
from model.paths import expanded

SHIPPED = Path(__file__).parent / "weights"
DEFAULT = "pixelbert-small"
FILES = ("config.json", "model.safetensors", "processor_config.json", "tokenizer.json")
GRAPHS = ("pixels.onnx", "words.onnx", "match.onnx", "attention.onnx")
"""What `pixelseek model export` adds, one for each pass: the weights without PyTorch."""
_PASSES_VERSION = b"3"  # of what the graphs take and give; 2: every layer's and head's attention; 3: pooled features
_HEADS = [f"{task}.{suffix}" for task in ("vqa", "statements", "pairs") for suffix in ("json", "safetensors", "onnx")]
_HUB, _HUB_FORM = "hf:", "hf:owner/name@revision"
_MAX_JSON_BYTES = 1 << 20
_PIECE_BYTES = 16 << 20  # after each piece a thread waits for the interpreter; larger ones take fresh memory instead
_HEADER_BYTES = 100_000_000  # the most that safetensors allows


class WeightsError(PixelseekError):
    """Weights that are missing, incomplete or not a Pixel-BERT; the message names the folder and the remedy."""


def find_weights(name_or_path: str | Path = DEFAULT) -> Path:
    """The folder of weights called `name_or_path`: a folder, a shipped name, or `hf:owner/name@revision`.

    Only the last form asks another machine (Hugging Face), and only if the weights are not in the cache.
    Raises WeightsError if there are no such weights, or a file of them is missing or empty.
    """
    name = str(name_or_path)
    if name.startswith(_HUB):
        return _from_hub(name)
    places = [expanded(name)]
    if name == Path(name).name:  # a single name, which leads nowhere else
        places.append(SHIPPED / name)
    for folder in places:
        if name and os.path.isdir(folder):  # noqa: PTH112  # of what can be no path, Path raises ValueError or OSError
            if missing := _missing(folder):
                inside = folder / "weights"
                there = (
                    f" Its folder weights is one: --weights {shlex.quote(str(inside))}"
                    if _is_whole(inside)
                    else (" Train one with `pixelseek model train`, or name another folder with --weights.")
                )
                raise WeightsError(
                    f"{folder} is not a complete Pixel-BERT: {', '.join(missing)} missing or empty.{there}"
                )
            return folder
    shipped = ", ".join(sorted(config.parent.name for config in SHIPPED.glob("*/config.json"))) or "none"
    raise WeightsError(
        f"no weights called {name}: there is no such folder{_seen_from(places[0])}, and none of that name is shipped "
        f"(shipped: {shipped}). Weights on Hugging Face are named {_HUB_FORM}."
    )


def lasting_name(name_or_path: str | Path, folder: Path) -> str:
    """A name by which `find_weights` finds the same weights from anywhere: those it found in `folder`.

    Of a repository it names the commit, which never changes. Raises WeightsError for a folder whose name is no text.
    """
    name = str(name_or_path)
    if name.startswith(_HUB):
        return f"{name.partition('@')[0]}@{folder.name}"
    if folder.parent == SHIPPED:
        return folder.name
    lasting = os.path.abspath(folder)  # noqa: PTH100
    try:
        lasting.encode()
    except UnicodeEncodeError as error:
        raise WeightsError(f"the name of folder {lasting} is no text in UTF-8. Rename it.") from error
    return lasting


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
    piece = memoryview(bytearray(_PIECE_BYTES))
    for name, file in files.items():
        state.update(f"{name}\0{os.fstat(file.fileno()).st_size}\0".encode())
        file.seek(0)
        # Read, not mapped: a process dies that touches the map of a file which is cut short meanwhile.
        while count := file.readinto(piece):
            state.update(piece[:count])
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
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise WeightsError(f"{path} is larger than any configuration.")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path} does not hold a JSON object.")
    return value


def _missing(folder: Path) -> list[str]:
    return [name for name in FILES if not (folder / name).is_file() or not (folder / name).stat().st_size]


def _is_whole(folder: Path) -> bool:
    return folder.is_dir() and not _missing(folder)


def _seen_from(path: Path) -> str:
    return "" if path.is_absolute() else f" in {Path.cwd()}"


def _from_hub(name: str) -> Path:
    """The weights `hf:owner/name@revision`: from the cache of this machine, or else downloaded into it."""
    parts = re.fullmatch(rf"{_HUB}([\w.-]+/[\w.-]+)@([\w./-]+)", name, re.ASCII)
    if parts is None:
        raise WeightsError(
            f"{name} does not name weights on Hugging Face: {_HUB_FORM} does. The revision is a commit or a tag, so "
            "that they are the same tomorrow."
        )
    from huggingface_hub import snapshot_download

    repository, revision = parts[1], parts[2]
    allowed = [*FILES, *GRAPHS, "scoring/*", "calibration.json", *_HEADS]
    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        if not _missing(folder):
            return folder
    except (OSError, ValueError):  # not here yet, or no name that could be
        pass
    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=allowed))
    except Exception as error:  # the hub and its HTTP library raise many kinds, all of them "cannot be had"
        raise WeightsError(
            f"{name} is not on this machine and cannot be downloaded: {' '.join(str(error).split())}"
        ) from error
    if missing := _missing(folder):
        raise WeightsError(f"{name} is not a complete Pixel-BERT: {', '.join(missing)} missing or empty.")
    return folder
