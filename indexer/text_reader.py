"""Read the text in a photo: signs, screenshots, scans. It runs in worker processes.

The models read Latin letters, Chinese and Japanese. Nothing is downloaded.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from indexer.decoding import Failure, read_upright
from indexer.library.found_text import FoundText
from indexer.library.photo import FileIdentity
from indexer.text_extra import MODELS, models_folder

MAX_SIDE = 1600
"""Pixels. Larger photos are made smaller first: reading takes time and memory in proportion to the pixels."""
MIN_CONFIDENCE = 0.8
_MAX_LINES, _MAX_CHARACTERS = 500, 500
_NICENESS = 10
_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate", "Insufficient memory", "MemoryError")
"""What errors of ONNX Runtime, OpenCV and RapidOCR say where memory is short."""

_engine: Any = None


def prepare_reader() -> None:
    """Load the models in this process, which lets others go first from now on."""
    global _engine
    folder = models_folder()
    assert folder is not None, "the caller has asked `reads_text`"
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    from rapidocr import RapidOCR

    one_thread = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    models = {f"{part}.model_path": str(folder / name) for part, name in MODELS.items()}
    sizes = {"Global.max_side_len": MAX_SIDE, "Global.text_score": MIN_CONFIDENCE}
    _engine = RapidOCR(params={"Global.log_level": "critical", **one_thread, **models, **sizes})
    _engine(np.zeros((64, 64, 3), dtype=np.uint8))  # the models are loaded when they are first used


def read_text(path: str, identity: FileIdentity) -> list[FoundText] | Failure:
    """The lines of text in the photo at `path`, in the order in which they were found. Never raises.

    CHANGING if the file holds another photo than `identity` by now.
    """
    read = read_upright(path, MAX_SIDE)
    if isinstance(read, Failure):
        return read
    image, found_identity = read
    if found_identity != identity:
        return Failure.CHANGING
    try:
        # RapidOCR takes arrays as OpenCV has them: blue first.
        result = _engine(np.ascontiguousarray(np.asarray(image)[..., ::-1]))
    except MemoryError:
        return Failure.OUT_OF_MEMORY
    except Exception as error:  # OpenCV and ONNX Runtime raise various errors, also where memory is short
        return Failure.OUT_OF_MEMORY if any(words in str(error) for words in _OUT_OF_MEMORY) else Failure.DAMAGED
    if result.txts is None:
        return []
    lines = zip(result.txts, result.scores, result.boxes, strict=True)
    size = np.array([image.width, image.height], dtype=np.float64)
    return [
        FoundText(_plain(text), round(float(confidence), 3), _relative(box, size))
        for text, confidence, box in list(lines)[:_MAX_LINES]
        if confidence >= MIN_CONFIDENCE and _is_word(_plain(text))
    ]


def _plain(text: str) -> str:
    """The text without control characters, and not too long."""
    return "".join(character for character in text if character.isprintable()).strip()[:_MAX_CHARACTERS]


def _is_word(text: str) -> bool:
    """Whether it has at least two letters or digits: a single one is more often an edge or a pattern than a letter."""
    return sum(character.isalnum() for character in text) > 1


def _relative(box: Any, size: Any) -> list[list[float]]:
    """The four corners as fractions of width and height."""
    corners: list[list[float]] = np.clip(np.asarray(box, dtype=np.float64) / size, 0, 1).round(4).tolist()
    return corners
