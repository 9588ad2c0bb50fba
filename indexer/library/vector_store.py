"""The interface of the store that finds the photos nearest to a query vector. A setting chooses one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.faiss_store import FaissStore
from indexer.library.generations import index_path
from indexer.library.milvus_server import MilvusServer
from indexer.library.milvus_store import MilvusStore
from indexer.library.photo_vectors import PhotoVectors
from indexer.library.settings import FAISS, Settings


class VectorStore(Protocol):
    """Searches the vectors of a generation's photos. It is derived from the encodings and can be rebuilt from them."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    def version(self) -> object:
        """A value that changes when the catalog, the encodings or the store do."""

    def count(self) -> int:
        """How many photos a search can find: those that have a file and an encoding."""

    def search(
        self, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and inner products (K,) of the K <= `count` photos with the largest ones, best first.

        They are those with `query` (Q,). What a photo's vector has beyond Q counts for nothing: as vectors begin with
        the embedding, an L2-normalised embedding finds photos by their cosine. Equal ones go by id. With `among`, only
        photos with these ids are found; the order of the ids does not matter, and unknown ones are ignored. Photos
        that the store does not hold yet are found as well.
        """

    def vectors_of(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids (K,) and vectors (K, D) of those of these photos that a search can find, ascending by id."""

    def covered(self) -> int:
        """How many encodings the store holds. A search also compares the others."""

    def sync(self, *, factory: str, newer_allowed: int = 0, progress: Callable[[int, int], None] | None = None) -> None:
        """Add new encodings and drop removed ones, if more than `newer_allowed` are new. Needs the library's lock.

        `factory` is the setting `index_factory`. `progress` is called with the number of photos that were added so far
        and that of all to be added.
        """

    def problems(self) -> Iterator[str]:
        """Messages about disagreements with the encodings."""

    def clear(self) -> None:
        """Delete the store; the next `sync` rebuilds it. Needs the library's lock."""

    def drop_others(self, kept: Collection[str]) -> None:
        """Delete what it holds of all generations but these. Needs the library's lock."""

    def close(self) -> None:
        """Release memory and files."""


def open_vector_store(
    library: Path,
    catalog: Database,
    encodings: Encodings,
    generation: str,
    photo_vectors: PhotoVectors | None = None,
    device: str = "cpu",
) -> VectorStore:
    """The store of the library in that folder for the encodings of `generation`.

    It holds the vectors that `photo_vectors` makes, and makes them anew where it holds others. Without that, for
    callers that have no model, the store is used as it is, and only embeddings can be searched for. `device` compares
    them: `auto` (a GPU where there is one), `cpu`, `cuda`, ... A server does not need it.

    Raises SettingsError.
    """
    url = Settings.load(library).vectors
    if url != FAISS:
        return MilvusStore(library, MilvusServer(url), catalog, encodings, generation, photo_vectors)
    return FaissStore(index_path(library, generation), catalog, encodings, generation, photo_vectors, device)
