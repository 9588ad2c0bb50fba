"""The search on a GPU: which one there is for a device, and the one of FAISS. That of PyTorch is in `model.runtime`.

It proposes rows, and the CPU computes the inner products of these: so results are the same with it and without.
"""

from __future__ import annotations

import logging
import threading
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from model.runtime.hardware import driver_finds_gpu

_log = logging.getLogger("pixelseek.index")
_MAX_ROWS = 2048
"""FAISS finds at most so many on a GPU."""
_ROWS_AT_ONCE = 1 << 16
_TEMPORARY_BYTES = 256 << 20
_FP16_EPSILON = 2.0**-11
_FP32_EPSILON = 2.0**-24


class GpuSearch(Protocol):
    """Vectors (N, D) in the memory of a GPU. Threads may share one: their searches wait for each other."""

    def nearest(
        self, query: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float] | None:
        """Rows (`count`,) with about the largest inner products with `query` (Q,), Q <= D, among the `allowed` (N,).

        Beside them a number that no inner product of the other allowed rows is above. At least `count` rows must be
        allowed. None if so many cannot be found. Raises RuntimeError if the GPU fails.
        """


def gpu_engine(device: str) -> Literal["FAISS", "PyTorch"] | None:
    """What searches on `device`: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, ...; None: the CPU.

    It imports FAISS where a driver finds a GPU, and never PyTorch.
    """
    kind, _, number = device.partition(":")
    may_be_nvidia = kind in ("auto", "cuda") and driver_finds_gpu()  # FAISS may abort where it asks for a GPU in vain
    if device == "cpu" or (device == "auto" and not may_be_nvidia):
        return None
    if may_be_nvidia and _faiss_gpus() > int(number or 0):
        return "FAISS"
    return "PyTorch" if find_spec("torch") else None


def search_name(device: str) -> str:
    """What compares vectors on `device`, in words: `FAISS on the CPU`, `PyTorch on the GPU`, ..."""
    engine = gpu_engine(device)
    is_nvidia = device.partition(":")[0] in ("auto", "cuda")
    return "FAISS on the CPU" if engine is None else f"{engine} on {'the GPU' if is_nvidia else device}"


def open_gpu_search(vectors: NDArray[np.float16], device: str) -> GpuSearch | None:
    """Copy `vectors` (N, D) to `device`, as in `gpu_engine`; None where the CPU must search, with the reason logged."""
    engine = gpu_engine(device)
    if engine is None:
        return None
    search: GpuSearch
    try:
        if engine == "FAISS":
            search = FaissGpuSearch(vectors, int(device.partition(":")[2] or 0))
        else:
            from model.runtime.torch_search import TorchSearch

            search = TorchSearch(vectors, "cuda" if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:  # PyTorch asserts that it was built for the device
        _log.warning(
            "%s cannot hold the vectors of %d photos on the GPU: %s. The CPU searches.", engine, len(vectors), error
        )
        return None
    _log.info("%s searches the vectors of %d photos.", search_name(device), len(vectors))
    return search


class FaissGpuSearch:
    """A `GpuSearch` by a FAISS that was built for GPUs."""

    def __init__(self, vectors: NDArray[np.float16], number: int) -> None:
        """Copy `vectors` (N, D) to the GPU of that number. Raises RuntimeError if its memory does not hold them."""
        import faiss

        gpu: Any = faiss  # the FAISS of most machines has none of these names
        self._resources = gpu.StandardGpuResources()
        self._resources.setTempMemory(_TEMPORARY_BYTES)
        config = gpu.GpuIndexFlatConfig()
        config.device, config.useFloat16 = number, True
        self._index = gpu.GpuIndexFlatIP(self._resources, vectors.shape[1], config)
        self._largest_norm = 0.0
        self._lock = threading.Lock()
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            block = vectors[start : start + _ROWS_AT_ONCE].astype(np.float32)
            self._index.add(block)
            self._largest_norm = max(self._largest_norm, float(np.linalg.norm(block, axis=1).max()))

    def nearest(
        self, query: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float] | None:
        """See `GpuSearch`. FAISS has no filters there: of its _MAX_ROWS nearest enough must be allowed."""
        if count > _MAX_ROWS:
            return None
        length = float(np.linalg.norm(query)) or 1.0
        whole = np.zeros((1, self._index.d), dtype=np.float32)
        whole[0, : len(query)] = query / length  # it is rounded to fp16, which holds no large and no tiny numbers
        with self._lock:
            products, rows = self._index.search(whole, count if allowed is None else min(_MAX_ROWS, self._index.ntotal))
        found = rows[0] >= 0  # FAISS fills with -1
        kept = np.flatnonzero(found if allowed is None else found & allowed[rows[0]])[:count]
        if len(kept) < count:
            return None
        error = (_FP16_EPSILON + 2 * len(query) * _FP32_EPSILON) * self._largest_norm
        return rows[0][kept], length * (float(products[0][kept[-1]]) + error)


def _faiss_gpus() -> int:
    """How many GPUs the installed FAISS can use."""
    import faiss

    return faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
