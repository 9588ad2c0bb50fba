"""The FAISS index in memory: each photo's vector as fp16 and, in a large library, a coarse index for candidates.

Inner products are always computed from the fp16 vectors in the same way, so they depend neither on the kind of index
nor on the device that proposes candidates.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.library.errors import LibraryError
from indexer.library.gpu_search import GpuSearch, open_gpu_search

if TYPE_CHECKING:
    import faiss

_log = logging.getLogger("pixelseek.index")
EXACT = "SQfp16"
"""No coarse index: every vector is compared, as fp16, with half the memory of float32 and an error below 1e-3."""
MAX_EXACT = 50_000
"""Up to so many photos are all compared."""
_CANDIDATES = 1024
"""How many candidates the coarse index proposes. They are compared exactly."""
MAX_PROPOSED = 128
"""At most so many photos of a result come from the coarse index. For more, all photos are compared."""
_PROBED_LISTS = 64
_SPARSITY = 8
"""If at most one photo in so many is allowed, numpy on those rows is faster than FAISS with a selector."""
_FEW = 1024
"""On a GPU, numpy is used for so few allowed rows only."""
_ROWS_AT_ONCE = 2048  # 2 MiB as float32: they stay in the cache
_MAX_TRAINING_PER_LIST = 64
_MIN_TRAINING_PER_LIST = 39  # FAISS warns below this
_MIN_TRAINING = 10_000
_TRAINING_ROUNDS = 10
_FAISS_NOISE = 1e-5
"""Upper bound of the error of an inner product computed by FAISS."""


def coarse_index_for(count: int) -> str:
    """The FAISS factory string for a library of `count` photos: measured with `benchmarks/shortlist.py`."""
    if count <= MAX_EXACT:
        return EXACT
    return f"IVF{2 ** round(math.log2(2 * math.sqrt(count)))},RaBitQfs"


def new_index(width: int, factory: str, count: int) -> tuple[faiss.IndexIDMap, int]:
    """An empty index for `count` vectors of that width, and how many of them are to train its coarse index (0: none).

    There is no coarse index if the photos are too few to train one of `factory`. Raises LibraryError if FAISS cannot
    make an index of that string, or only one that does not support filters.
    """
    import faiss

    name = f"IDMap,{factory}" if factory == EXACT else f"IDMap,{factory},Refine({EXACT})"
    try:
        index = faiss.index_factory(width, name, faiss.METRIC_INNER_PRODUCT)
        assert isinstance(index, faiss.IndexIDMap)
        coarse, _ = _parts(index)
        if not isinstance(coarse, (faiss.IndexIVF, faiss.IndexHNSW, faiss.IndexFlatCodes, type(None))):
            raise RuntimeError(f"a {type(coarse).__name__} does not support filters")
    except RuntimeError as error:
        raise LibraryError(
            f"the library's setting index_factory is {factory!r}, and FAISS cannot make an index of it "
            f"({str(error).rpartition(': ')[2]}). Set it to one like IVF1024,RaBitQfs or HNSW32, or to {EXACT}."
        ) from error
    if coarse is None or coarse.is_trained:
        return index, 0
    lists = 0
    if isinstance(coarse, faiss.IndexIVF):
        lists = coarse.nlist
        coarse.nprobe = min(_PROBED_LISTS, lists)  # stored in the file
        coarse.cp.niter = _TRAINING_ROUNDS
        coarse.cp.max_points_per_centroid = _MAX_TRAINING_PER_LIST
    if count < max(_MIN_TRAINING_PER_LIST * lists, _MIN_TRAINING):
        return new_index(width, EXACT, count)
    return index, min(count, max(_MAX_TRAINING_PER_LIST * lists, 2 * _MIN_TRAINING))


class SearchableIndex:
    """A filled index made by `new_index`. It must not change while this object is used."""

    def __init__(self, index: faiss.IndexIDMap, device: str = "cpu") -> None:
        """`device` compares all vectors where that is needed: `auto` (a GPU where there is one), `cpu`, `cuda`, ...

        A GPU has no use for the coarse index. Its memory takes a copy of the vectors when they are first searched.
        """
        import faiss

        self._index = index  # keeps the memory of the arrays below alive
        self._coarse, self._exact = _parts(index)
        self.ids = np.asarray(faiss.vector_to_array(index.id_map), dtype=np.int64)
        """(N,) The photo id of each row."""
        codes = faiss.rev_swig_ptr(self._exact.codes.data(), index.ntotal * self._exact.code_size)
        self.vectors: NDArray[np.float16] = codes.view(np.float16).reshape(index.ntotal, index.d)
        """(N, D)"""
        self.device = device
        """As given, or `cpu` once another one was not able to compare them."""
        self._gpu: GpuSearch | None = None
        self._gpu_lock = threading.Lock()

    def nearest(
        self,
        query: NDArray[np.float32],
        count: int,
        allowed: NDArray[np.bool_] | None = None,
        *,
        exactly: bool = False,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (K,) and inner products (K,) of the K <= `count` photos with the largest ones, best first.

        They are those with `query` (Q,), where Q is D at most: what a vector has beyond counts for nothing. Equal
        photos are ordered by id. `allowed` (N,) says which rows may be found; K is less than `count` only if fewer
        rows are allowed. Unless `exactly`, a coarse index proposes the candidates, and `count` must be MAX_PROPOSED at
        most. The first photos do not depend on `count`.
        """
        total = len(self.ids) if allowed is None else int(np.count_nonzero(allowed))
        count = min(count, total)
        if not count:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if self._coarse is not None and not exactly:
            assert count <= MAX_PROPOSED
            rows = self._search(self._coarse, query, _CANDIDATES, allowed, total)
            if len(rows) >= min(MAX_PROPOSED, total):
                return self._best(rows, inner_products(self.vectors, rows, query), count)
        gpu = self._on_gpu()
        if count == total or (
            allowed is not None and total <= (_FEW if gpu is not None else len(self.ids) // _SPARSITY)
        ):
            rows = np.arange(len(self.ids)) if allowed is None else np.flatnonzero(allowed)
            return self._best(rows, inner_products(self.vectors, rows, query), count)
        requested = count
        while True:
            # Any of equally near photos are returned, and products are rounded differently: request more until all that
            # may belong to the result are included.
            requested = min(2 * requested, total)
            rows, similarities, bound = self._compare_all(gpu, query, requested, allowed, total)
            if requested == total or bound < np.partition(similarities, -count)[-count]:
                return self._best(rows, similarities, count)

    def has_coarse_index(self) -> bool:
        """Whether a coarse index proposes candidates. On a GPU none does: all vectors are compared."""
        return self._coarse is not None and self._on_gpu() is None

    def leave_gpu(self) -> None:
        """Free the memory of a GPU. Searches go on without it."""
        with self._gpu_lock:
            self.device, self._gpu = "cpu", None

    def _on_gpu(self) -> GpuSearch | None:
        """What searches on a GPU, with the vectors copied there; None where the CPU does."""
        with self._gpu_lock:
            if self._gpu is None and self.device != "cpu":
                self._gpu = open_gpu_search(self.vectors, self.device)
                if self._gpu is None:
                    self.device = "cpu"
            return self._gpu

    def _compare_all(
        self,
        gpu: GpuSearch | None,
        query: NDArray[np.float32],
        count: int,
        allowed: NDArray[np.bool_] | None,
        total: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        """Rows and bound as by `GpuSearch.nearest`, and the rows' inner products. The CPU does what a GPU cannot."""
        proposed = None
        if gpu is not None:
            try:
                proposed = gpu.nearest(query, count, allowed)
            except RuntimeError as error:
                _log.warning("A search on the GPU failed: %s. From now on the CPU searches.", error)
                self.leave_gpu()
        rows, bound = proposed or (self._search(self._exact, query, count, allowed, total), None)
        similarities = inner_products(self.vectors, rows, query)
        return rows, similarities, similarities.min() + _FAISS_NOISE if bound is None else bound

    def _best(
        self, rows: NDArray[np.int64], similarities: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        best = np.lexsort((self.ids[rows], -similarities))[:count]
        return rows[best], similarities[best]

    def _search(
        self,
        index: faiss.Index,
        query: NDArray[np.float32],
        count: int,
        allowed: NDArray[np.bool_] | None,
        total: int,
    ) -> NDArray[np.int64]:
        import faiss

        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        selector = None if bits is None else faiss.IDSelectorBitmap(len(self.ids), faiss.swig_ptr(bits))
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        if isinstance(index, faiss.IndexIVF):
            # The fewer rows are allowed, the more lists are searched, so that enough allowed rows are found.
            lists = min(index.nlist, math.ceil(index.nprobe * len(self.ids) / total))
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=lists)  # type: ignore[call-arg]
        whole = np.zeros((1, index.d), dtype=np.float32)
        whole[0, : len(query)] = query
        with _one_thread():
            _, rows = index.search(whole, min(count, len(self.ids)), params=parameters)
        nearest: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return nearest


def inner_products(
    vectors: NDArray[np.float16], rows: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(K,) of the first Q numbers of `vectors` (N, D) at `rows` (K,) with `query` (Q,).

    Each product is independent of the other rows.
    """
    products = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = vectors[rows[start : start + _ROWS_AT_ONCE], : len(query)].astype(np.float32)
        np.einsum("ij,j->i", block, query, out=products[start : start + _ROWS_AT_ONCE])
    return products


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: the search for one query is so short that threads on a busy CPU only wait for each other."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _parts(index: faiss.IndexIDMap) -> tuple[faiss.Index | None, faiss.IndexScalarQuantizer]:
    """The coarse index, if any, and the index that holds the vectors."""
    import faiss

    coarse, exact = None, faiss.downcast_index(index.index)
    if isinstance(exact, faiss.IndexRefine):
        coarse, exact = faiss.downcast_index(exact.base_index), faiss.downcast_index(exact.refine_index)
    assert isinstance(exact, faiss.IndexScalarQuantizer)
    return coarse, exact
