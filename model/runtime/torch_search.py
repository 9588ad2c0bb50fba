"""Exact search for the rows of a matrix with the largest inner products, by PyTorch on any device."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray

_ROWS_AT_ONCE = 1 << 14  # in fp32 they stay in the cache of a GPU
_KEPT_FREE = 2 << 30
"""Bytes of a GPU's memory that are left to the network."""
_EPSILON = 2.0**-24


class TorchSearch:
    """Vectors (N, D) as fp16 on a device; products are computed in fp32. Threads may share one: their searches wait."""

    def __init__(self, vectors: NDArray[np.float16], device: str) -> None:
        """Copy `vectors` to `device`. Raises RuntimeError, or PyTorch's AssertionError, if it cannot be used or has too
        little memory."""
        where = torch.empty(0, device=device).device
        if where.type == "cuda":
            torch.cuda.empty_cache()
            free, _ = torch.cuda.mem_get_info(where)
            if vectors.nbytes + _KEPT_FREE > free:
                raise RuntimeError(
                    f"{(vectors.nbytes + _KEPT_FREE) / 2**30:.1f} GiB of memory are needed, {free / 2**30:.1f} are free"
                )
        self._vectors = torch.empty(vectors.shape, dtype=torch.float16, device=where)
        self._norms = torch.empty(len(vectors), device=where)
        self._lock = threading.Lock()
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            block = self._vectors[start : start + _ROWS_AT_ONCE]
            block.copy_(
                torch.from_numpy(np.array(vectors[start : start + _ROWS_AT_ONCE]))
            )  # a map of a file is read-only
            self._norms[start : start + _ROWS_AT_ONCE] = block.float().norm(dim=1)

    @torch.inference_mode()
    def nearest(
        self, query: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float]:
        """Rows (`count`,) with about the largest inner products with `query` (Q,), Q <= D, among the `allowed` (N,).

        Beside them a number that no inner product of the other allowed rows is above, in whatever order fp32 numbers
        are summed. At least `count` rows must be allowed. Raises RuntimeError if the device fails.
        """
        error = 2 * len(query) * _EPSILON * float(np.linalg.norm(query))
        with self._lock:
            numbers = torch.from_numpy(np.array(query, dtype=np.float32)).to(self._vectors.device)
            bounds = error * self._norms
            for start in range(0, len(bounds), _ROWS_AT_ONCE):
                block = self._vectors[start : start + _ROWS_AT_ONCE, : len(numbers)].float()
                bounds[start : start + _ROWS_AT_ONCE].addmv_(block, numbers)
            if allowed is not None:
                bounds.masked_fill_(torch.from_numpy(~allowed).to(bounds.device), -torch.inf)
            largest = bounds.topk(count)
            return largest.indices.cpu().numpy(), float(largest.values[-1])
