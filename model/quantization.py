"""Features as int8 with one scale a token: what a library stores of each photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VERSION = "int8-token-2"  # of what is stored; 2: pooled features too


def quantize(features: NDArray[np.float32]) -> bytes:
    """Pack (P, D) float32 as P float16 scales followed by (P, D) int8: D + 2 bytes a token."""
    scales = (np.abs(features).max(axis=1, keepdims=True) / 127.0).astype(np.float16)
    scales = np.maximum(scales, np.finfo(np.float16).tiny)
    values = np.clip(np.rint(features / scales.astype(np.float32)), -127, 127).astype(np.int8)
    packed: bytes = scales.tobytes() + values.tobytes()
    return packed


def dequantize(packed: bytes, hidden_size: int) -> NDArray[np.float32]:
    """Unpack what `quantize` made into (P, D) float32; D is `hidden_size`.

    Raises ValueError when the bytes are not a whole number of tokens.
    """
    tokens, rest = divmod(len(packed), hidden_size + 2)
    if rest or not tokens:
        raise ValueError(f"{len(packed)} bytes are not a whole number of tokens of width {hidden_size}")
    scales = np.frombuffer(packed, dtype=np.float16, count=tokens).astype(np.float32)
    values = np.frombuffer(packed, dtype=np.int8, offset=2 * tokens).reshape(tokens, hidden_size)
    return values * scales[:, None]
