"""The message in which pairs go to a reranker on another machine, and its answer.

A line of JSON, then the word features as float32, then the pixel features as they are stored (`model.quantization`):
those of a library come back as they were, in a quarter of the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.quantization import dequantize, quantize
from model.runtime.protocol import EncodedText

MAX_BYTES = 256 * 1024**2
MAX_PAIRS = 4096
_MAX_HEADER = 1 << 20
_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class Pairs:
    """Sentences and photos that are to be read together: sentence i with photo i, or one sentence with every photo."""

    generation: str
    """Of the weights that encoded them: no others can read them."""
    text: EncodedText
    """Its word features alone."""
    pixel_features: list[NDArray[np.float32]]


def pack(generation: str, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> bytes:
    """The message."""
    packed = [quantize(features) for features in pixel_features]
    words = [np.ascontiguousarray(features, dtype=_FLOAT) for features in text.word_features]
    header = {
        "generation": generation,
        "width": int(words[0].shape[1]),
        "words": [len(features) for features in words],
        "photos": [len(features) for features in packed],
    }
    return b"".join([json.dumps(header).encode(), b"\n", *(features.tobytes() for features in words), *packed])


def unpack(message: bytes) -> Pairs:
    """What was packed. Raises ValueError where it is no such message."""
    end = message.find(b"\n", 0, _MAX_HEADER)
    if end < 0:
        raise ValueError("there is no header")
    header = json.loads(message[:end])
    match header:
        case {"generation": str(generation), "width": int(width), "words": list(words), "photos": list(photos)}:
            pass
        case _:
            raise ValueError("the header is not complete")
    if not all(type(number) is int and number > 0 for number in (width, *words, *photos)):
        raise ValueError("a length is not a number above 0")
    if not photos or len(photos) > MAX_PAIRS or len(words) not in (1, len(photos)):
        raise ValueError(f"{len(words)} sentences and {len(photos)} photos are no pairs, or too many")
    sizes = [*(_FLOAT.itemsize * width * length for length in words), *photos]
    if end + 1 + sum(sizes) != len(message):
        raise ValueError(f"{len(message)} bytes are not what the header says")
    starts = np.cumsum([end + 1, *sizes]).tolist()
    parts = [message[start : start + size] for start, size in zip(starts, sizes, strict=False)]
    word_features = [np.frombuffer(part, dtype=_FLOAT).reshape(-1, width) for part in parts[: len(words)]]
    if not all(np.isfinite(features).all() for features in word_features):
        raise ValueError("a word feature is not a number")
    text = EncodedText(np.empty((len(words), 0), dtype=np.float32), word_features)
    return Pairs(generation, text, [dequantize(part, width) for part in parts[len(words) :]])


def pack_logits(logits: NDArray[np.float32]) -> bytes:
    """The answer."""
    return logits.astype(_FLOAT).tobytes()


def unpack_logits(answer: bytes, pairs: int) -> NDArray[np.float32]:
    """The logits (B,) of so many pairs. Raises ValueError where it is no such answer."""
    if len(answer) != _FLOAT.itemsize * pairs:
        raise ValueError(f"{len(answer)} bytes are not the logits of {pairs} pairs")
    logits = np.frombuffer(answer, dtype=_FLOAT).astype(np.float32)
    if not np.isfinite(logits).all():
        raise ValueError("a logit is not a number")
    return logits
