"""A library as the model of one generation sees it, for searching."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import exists, select

from indexer.library import migrations
from indexer.library.catalog import encoded_table, location_table, photo_table, read_ids
from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.errors import LibraryDamaged, LibraryError
from indexer.library.facets import Facets, filter_values, read_facets
from indexer.library.filters import Filters, newest_photos
from indexer.library.generations import current_generation, encodings_path, visible_photos
from indexer.library.library import Library, in_order
from indexer.library.library_files import open_file_store
from indexer.library.lifetime import while_open
from indexer.library.locking import library_lock
from indexer.library.opening import open_catalog
from indexer.library.overview import Overview, read_favourites, read_overview
from indexer.library.photo import FileIdentity
from indexer.library.photo_vectors import PhotoVectors
from indexer.library.reconciliation import is_consistent, reconcile
from indexer.library.status import LibraryStatus, read_status
from indexer.library.vector_store import open_vector_store


class LibraryView(Library):
    """A library with the encodings of one generation of the model. Open one with `LibraryView.open`."""

    def __init__(
        self,
        path: Path,
        catalog: Database,
        generation: str | None = None,
        photo_vectors: PhotoVectors | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(path, catalog)
        self.generation = self.current_generation() if generation is None else generation
        """Empty if no model has encoded anything yet and none was given."""
        self.encodings = Encodings(
            encodings_path(path, self.generation),
            lifetime=self.lifetime,
            open_files=partial(open_file_store, path, catalog),
        )
        self.vectors = open_vector_store(path, catalog, self.encodings, self.generation, photo_vectors, device)
        self.was_current = self.is_current()
        """Whether this generation answered searches when the view was opened."""

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        generation: str | None = None,
        photo_vectors: PhotoVectors | None = None,
        device: str = "cpu",
        create: bool = False,
    ) -> Self:
        """Open the library in folder `path` as `generation` sees it; with `create`, create it if missing.

        `generation` is that of the model in use. None is the one that answers searches; then no model is needed.
        `photo_vectors` of that model makes the vectors that sentences are compared with; without it only embeddings
        are. `device` compares them: `auto` (a GPU where there is one), `cpu`, `cuda`, ...
        A catalog of an older schema is backed up and migrated. What an interrupted run left behind is removed.

        Raises what `Library.open` raises.
        """
        folder, catalog = open_catalog(path, create=create)
        try:
            view = cls(folder, catalog, generation, photo_vectors, device)
        except BaseException:
            catalog.close()
            raise
        try:
            view._reconcile()
        except BaseException:
            view.close()
            raise
        return view

    def close(self) -> None:
        """Close all files for good, once the calls of other threads have ended; later ones raise LibraryClosed."""
        super().close()
        self.vectors.close()
        self.encodings.close()

    @while_open
    def version(self) -> object:
        """A value that changes when anything in the library does, in this process or another."""
        return self.vectors.version()

    @while_open
    def photos_version(self) -> object:
        """A value that changes when photos come, go or are encoded anew, and when one lies in more or fewer files.

        Unlike `version` it stays while people write about photos. It reads the ids of all photos.
        """
        with self.catalog.connect() as connection:
            files = select(location_table.c.photo_id).where(location_table.c.photo_id.is_not(None))
            of_files = read_ids(connection, files)
        numbers = self.photo_ids(), of_files, *self.encodings.sequences_and_ids()
        return self.generation, *(hashlib.blake2b(some.tobytes(), digest_size=16).digest() for some in numbers)

    @while_open
    def photo_count(self) -> int:
        """How many photos a search can find: those with a location that this generation has encoded."""
        return self.vectors.count()

    @while_open
    def photo_ids(self) -> NDArray[np.int64]:
        """(N,) The ids of the photos that a search can find, ascending."""
        return visible_photos(self.catalog, self.generation)

    @while_open
    def facets(self, filters: Filters, among: NDArray[np.int64] | None = None) -> Facets:
        """The facets of the photos for which `filters` hold; with `among` (N,), of those with these ids."""
        return read_facets(self.catalog, self.generation, filters, among)

    @while_open
    def filter_values(self, name: str) -> list[str]:
        """The values of photos that the filter `name` compares with."""
        return filter_values(self.catalog, name)

    @while_open
    def overview(self, *, newest: int) -> Overview:
        """What is in the library at a glance, with the `newest` newest photos."""
        return read_overview(self.catalog, self.generation, newest)

    @while_open
    def favourites(self, count: int) -> list[int]:
        """Ids of the `count` newest favourites that a search can find."""
        return read_favourites(self.catalog, self.generation, count)

    @while_open
    def newest(self, filters: Filters, count: int) -> list[int]:
        """Ids of the `count` newest photos that a search can find and for which `filters` hold."""
        return newest_photos(self.catalog, np.intersect1d(self.matching(filters), self.photo_ids()), count)

    @while_open
    def shortlist(
        self, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and inner products (K,) of the photos with the largest inner product with `query` (Q,), best first.

        A query is a vector as the model makes it for a sentence, or an L2-normalised embedding alone (E,), and the
        inner products are cosines then. With `among` (N,), only photos with these ids are found. K is less than `count`
        only if there are fewer photos. Photos that are newer than the FAISS index are found as well.
        """
        return self.vectors.search(np.asarray(query, dtype=np.float32), count, among)

    @while_open
    def photo_vectors(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids (K,) and vectors (K, D), which `shortlist` compares, of those of these photos that can be found."""
        return self.vectors.vectors_of(photo_ids)

    @while_open
    def embeddings(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The embedding (E,) of each of these photos that is still encoded, in the order of `photo_ids`."""
        return in_order(self.encodings.vectors(photo_ids), photo_ids)

    @while_open
    def pixel_features(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The dequantised pixel features (P, D) of each of these photos that is still encoded, in that order."""
        return in_order(self.encodings.pixel_features(photo_ids), photo_ids)

    @while_open
    def pooled_features(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The dequantised pooled features (C,) of each of these photos that is still encoded, in that order."""
        return in_order(self.encodings.pooled_features(photo_ids), photo_ids)

    @while_open
    def find(self, identity: FileIdentity) -> int | None:
        """The id of the visible, encoded photo with these bytes; None if there is none."""
        query = (
            select(photo_table.c.id)
            .join(encoded_table)
            .where(
                photo_table.c.digest == identity.digest,
                photo_table.c.size == identity.size,
                encoded_table.c.generation == self.generation,
                exists().where(location_table.c.photo_id == photo_table.c.id),
            )
        )
        with self.catalog.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    @while_open
    def is_current(self) -> bool:
        """Whether this generation answers searches, or none does yet.

        False if the catalog has an older schema, for example after a backup was restored: it must be opened again.
        """
        with self.catalog.connect() as connection:
            if migrations.revision(connection) != migrations.HEAD:
                return False
            return current_generation(connection) in (None, self.generation)

    @while_open
    def status(self) -> LibraryStatus:
        """The status of the library, for this generation."""
        return read_status(self.path, self.catalog, self.generation)

    def _reconcile(self) -> None:
        """Remove what an interrupted run left half done, if that is possible now. It does not affect searches."""
        if is_consistent(self.catalog, self.encodings, self.generation):
            return
        try:
            with library_lock(self.path, self.catalog):
                reconcile(self.catalog, self.encodings, self.generation)
        except LibraryDamaged:
            raise
        except LibraryError:  # another process writes, the disk is full or read-only
            pass
