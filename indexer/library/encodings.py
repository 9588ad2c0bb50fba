"""The encodings of photos by one generation of the model: `encodings-GENERATION.sqlite`.

The file is derived: if it is deleted, indexing encodes the photos again. Embeddings and pixel features have tables of
their own, so that reading all embeddings does not read the much larger pixel features. These may also lie outside the
file, in shards.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Named,
    String,
    Table,
    TypedColumns,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)

from indexer.library.catalog import query_chunks, read_ids
from indexer.library.errors import REMEDY, FeaturesMissing, FilesUnreachable, LibraryDamaged, LibraryMissing
from indexer.library.feature_shards import FeatureShards, drop_parts, has_parts
from indexer.library.file_store import FileStore
from indexer.library.lifetime import Lifetime
from indexer.library.sqlite import SqliteDatabase
from model.quantization import dequantize, quantize

if TYPE_CHECKING:  # a status needs no runtime
    from model.runtime.protocol import EncodedImages

_ROWS_AT_ONCE, _MOVED_AT_ONCE = 10_000, 32


_METADATA = MetaData()


class _Origin(TypedColumns):
    """One row, written with the first encodings."""

    token = Column(String, primary_key=True)
    embedding_size: Named[int]
    hidden_size: Named[int]
    pooled_size: Named[int]


class _Embedding(TypedColumns):
    sequence = Column(Integer, primary_key=True)
    photo_id = Column(Integer, unique=True, nullable=False)
    vector: Named[bytes]
    """(E,) float32: fp16 would round two nearly equal vectors up to 5e-4 apart."""


class _PixelFeatures(TypedColumns):
    photo_id = Column(Integer, primary_key=True)
    pooled: Named[bytes]
    """(1, C), packed by `model.quantization.quantize`. It is stored before `packed`, which SQLite then need not
    read."""
    packed: Named[bytes]
    """(P, D), packed likewise; empty where they are in a shard."""


_origin = Table("origin", _METADATA, _Origin)
_embedding = Table("embedding", _METADATA, _Embedding, sqlite_autoincrement=True)  # no number is used twice
_pixel_features = Table("pixel_features", _METADATA, _PixelFeatures)


@dataclass(frozen=True)
class Origin:
    """Identifies a file of encodings. `token` is random: an index built from another file does not match it."""

    token: str
    embedding_size: int
    hidden_size: int
    pooled_size: int


@dataclass(frozen=True)
class Embeddings:
    """N embeddings in the order in which they were added."""

    sequences: NDArray[np.int64]
    """(N,) Ascending numbers; none is used twice."""
    photo_ids: NDArray[np.int64]
    """(N,)"""
    vectors: NDArray[np.float32]
    """(N, E)"""


class Encodings:
    """The encodings of one generation; none while the file is missing or has no tables.

    The file is created first, its tables in the transaction that stores the first encodings: a process killed in
    between leaves an empty file. The file may be deleted or replaced while this is open.
    """

    def __init__(
        self,
        path: Path,
        *,
        lifetime: Lifetime | None = None,
        open_files: Callable[[], FileStore | None] = lambda: None,
    ) -> None:
        """`open_files` opens the store of pixel features, when it is needed; None: they lie in the file."""
        self.path = path
        self.database = SqliteDatabase(path, remedy="Delete it and index again.", lifetime=lifetime)
        self._shards = FeatureShards(self.database, self._reading, open_files)

    def exists(self) -> bool:
        """Whether there is a file with tables."""
        with self._reading() as connection:
            return connection is not None

    def is_malformed(self) -> bool:
        """Whether tables are missing, or embeddings differ in size: nothing can be read then."""
        with self._reading() as connection:
            origin = _read_origin(connection)
            if connection is None or origin is None:
                return False
            if not inspect(connection).has_table(_pixel_features.name):
                return True
            size = origin.embedding_size * np.dtype(np.float32).itemsize
            wrong = select(_embedding.c.sequence).where(func.length(_embedding.c.vector) != size)
            return connection.execute(wrong.limit(1)).first() is not None

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def origin(self) -> Origin | None:
        """None while nothing has been stored."""
        with self._reading() as connection:
            return _read_origin(connection)

    def add(self, photo_ids: Sequence[int], encoded: EncodedImages) -> None:
        """Store the encodings of B photos in one transaction; they replace any earlier ones.

        Pixel features that lie in a store are written before. Raises FilesUnreachable.
        """
        vectors, pooled = np.ascontiguousarray(encoded.embeddings, dtype=np.float32), encoded.pooled_features
        sizes = vectors.shape[1], encoded.pixel_features[0].shape[1], pooled.shape[1]
        packed = {
            photo_id: quantize(features) for photo_id, features in zip(photo_ids, encoded.pixel_features, strict=True)
        }
        self.database.create()
        shard = None
        if self._shards.store is not None:
            with self.database.begin() as connection:
                token = _create(connection, *sizes)
            shard = self._shards.write(token, packed)
        with self.database.begin() as connection:
            _create(connection, *sizes)
            for table in (_embedding, _pixel_features):
                connection.execute(delete(table).where(table.c.photo_id.in_(photo_ids)))
            drop_parts(connection, photo_ids)
            connection.execute(
                insert(_embedding),
                [
                    {"photo_id": photo_id, "vector": vector.tobytes()}
                    for photo_id, vector in zip(photo_ids, vectors, strict=True)
                ],
            )
            connection.execute(
                insert(_pixel_features),
                [
                    {
                        "photo_id": photo_id,
                        "pooled": quantize(mean[None]),
                        "packed": packed[photo_id] if shard is None else b"",
                    }
                    for photo_id, mean in zip(photo_ids, pooled, strict=True)
                ],
            )
            if shard is not None:
                shard.commit(connection)

    def remove(self, photo_ids: Sequence[int]) -> None:
        """Delete the encodings of these photos."""
        if not self.exists():
            return
        with self.database.begin() as connection:
            for chunk in query_chunks(photo_ids):
                for table in (_embedding, _pixel_features):
                    connection.execute(delete(table).where(table.c.photo_id.in_(chunk)))
            drop_parts(connection, photo_ids)
        self.sweep()

    def has_shards(self) -> bool:
        """Whether pixel features of photos lie in a store."""
        with self._reading() as connection:
            return connection is not None and has_parts(connection)

    def keep_features(self, *, in_file: bool, progress: Callable[[int], object]) -> None:
        """Move the pixel features of all photos into the file, or out of it into the store. The caller is the writer.

        They are removed from the old place when they were read again in the new one, some photos at a time. Wherever it
        is interrupted, each photo's are found. Raises FeaturesMissing and FilesUnreachable.
        """
        table, origin, last = _pixel_features, self.origin(), 0
        is_elsewhere = table.c.packed == b"" if in_file else table.c.packed != b""
        query = select(table.c.photo_id, table.c.packed).where(is_elsewhere).order_by(table.c.photo_id)
        while origin is not None:
            with self._reading() as connection:
                assert connection is not None
                packed = {
                    row.photo_id: row.packed
                    for row in connection.execute(query.where(table.c.photo_id > last).limit(_MOVED_AT_ONCE))
                }
            if not packed:
                break
            if in_file:
                moved = self._shards.read(list(packed))
                if lost := packed.keys() - moved.keys():
                    raise FeaturesMissing(f"the pixel features of {len(lost)} photos cannot be read; {REMEDY}.")
            else:
                shard = self._shards.write(origin.token, packed)
                if shard is None:
                    raise FilesUnreachable("there is no place for pixel features but the library's folder.")
                with self.database.begin() as connection:
                    shard.commit(connection)
                if self._shards.read(list(packed)) != packed:
                    raise FeaturesMissing(f"what was written into {self._shards.place} reads otherwise. Try again.")
                moved = dict.fromkeys(packed, b"")
            with self.database.begin() as connection:
                for photo_id, features in moved.items():
                    connection.execute(update(table).where(table.c.photo_id == photo_id).values(packed=features))
                if in_file:
                    drop_parts(connection, list(moved))
            last = max(packed)
            progress(len(packed))
        self.database.shrink()

    def count_features(self, *, in_file: bool) -> int:
        """Of how many photos the pixel features are in the file, or are not."""
        with self._reading() as connection:
            if connection is None:
                return 0
            is_there = _pixel_features.c.packed != b"" if in_file else _pixel_features.c.packed == b""
            return connection.execute(select(func.count()).select_from(_pixel_features).where(is_there)).scalar_one()

    @property
    def shards(self) -> FeatureShards:
        """The pixel features outside the file."""
        return self._shards

    def sweep(self) -> None:
        """Remove from the store what no photo needs: a killed process left it, or its photos were removed."""
        origin = self.origin()
        if origin is not None:
            self._shards.sweep(origin.token)

    def remove_other_features(self, tokens: Callable[[], Iterable[str]]) -> None:
        """Remove from the store the pixel features of all files of encodings but those with these tokens.

        `tokens` is called where there is a store.
        """
        self._shards.remove_other_folders(tokens)

    def photo_ids(self) -> NDArray[np.int64]:
        """(N,) Ids of the photos whose encodings are stored, ascending."""
        with self._reading() as connection:
            if connection is None:
                return np.empty(0, dtype=np.int64)
            return read_ids(connection, select(_embedding.c.photo_id))

    def count(self, *, up_to: int | None = None) -> int:
        """How many are stored, in all or up to a sequence number."""
        total = select(func.count()).select_from(_embedding)
        # The rows after it are counted and subtracted: they are few, while counting up to it reads all vectors.
        query = total
        if up_to is not None:
            query = select(total.scalar_subquery() - total.where(_embedding.c.sequence > up_to).scalar_subquery())
        with self._reading() as connection:
            return 0 if connection is None else connection.execute(query).scalar_one()

    def sequences(self, after: int) -> NDArray[np.int64]:
        """(N,) The numbers of the encodings that are stored, beyond that number, ascending."""
        with self._reading() as connection:
            if connection is None:
                return np.empty(0, dtype=np.int64)
            numbers = select(_embedding.c.sequence).where(_embedding.c.sequence > after)
            return read_ids(connection, numbers)

    def sequences_and_ids(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N,) The numbers of all encodings, ascending, and (N,) the ids of their photos."""
        with self._reading() as connection:
            if connection is None:
                return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
            rows = connection.execute(select(_embedding.c.sequence, _embedding.c.photo_id)).all()
        pairs = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
        pairs = pairs[np.argsort(pairs[:, 0])]
        return pairs[:, 0], pairs[:, 1]

    def after(self, sequence: int) -> Iterator[Embeddings]:
        """All embeddings added after that sequence number (0 for all), in blocks of a few thousand."""
        query = select(_embedding.c.sequence, _embedding.c.photo_id, _embedding.c.vector).order_by(
            _embedding.c.sequence
        )
        while True:
            with self._reading() as connection:
                origin = _read_origin(connection)
                if connection is None or origin is None:
                    return
                rows = connection.execute(query.where(_embedding.c.sequence > sequence).limit(_ROWS_AT_ONCE)).all()
            if not rows:
                return
            sequence = rows[-1].sequence
            sequences = np.asarray([row.sequence for row in rows], dtype=np.int64)
            ids = np.asarray([row.photo_id for row in rows], dtype=np.int64)
            vectors = self._unpack({row.sequence: row.vector for row in rows}, origin)
            yield Embeddings(sequences, ids, np.stack(list(vectors.values())))

    def vectors(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The embedding (E,) of each of these photos that has one. Raises LibraryDamaged."""
        origin, packed = self._read(_embedding.c.photo_id, _embedding.c.vector, photo_ids)
        return {} if origin is None else self._unpack(packed, origin)

    def pixel_features(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The pixel features (P, D), dequantised, of each of these photos that has them.

        Those that lie in a store are read in one request; a line of the log names what is missing there. Raises
        LibraryDamaged, and FilesUnreachable.
        """
        origin, packed = self._read(_pixel_features.c.photo_id, _pixel_features.c.packed, photo_ids)
        if in_shards := [photo_id for photo_id, features in packed.items() if not features]:
            read = self._shards.read(in_shards)
            packed = {photo_id: features or read.get(photo_id, b"") for photo_id, features in packed.items()}
            packed = {photo_id: features for photo_id, features in packed.items() if features}
        return {} if origin is None else self._dequantized(packed, origin.hidden_size)

    def pooled_features(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The pooled features (C,), dequantised, of each of these photos that has them. Raises LibraryDamaged."""
        origin, packed = self._read(_pixel_features.c.photo_id, _pixel_features.c.pooled, photo_ids)
        if origin is None:
            return {}
        pooled = self._dequantized(packed, origin.pooled_size)
        if any(len(features) != 1 for features in pooled.values()):
            raise self._damaged("pooled features are not of one token")
        return {photo_id: features[0] for photo_id, features in pooled.items()}

    def _dequantized(self, packed: Mapping[int, bytes], width: int) -> dict[int, NDArray[np.float32]]:
        try:
            return {photo_id: dequantize(features, width) for photo_id, features in packed.items()}
        except ValueError as error:
            raise self._damaged(str(error)) from error

    def _unpack(self, packed: Mapping[int, bytes], origin: Origin) -> dict[int, NDArray[np.float32]]:
        size = origin.embedding_size * np.dtype(np.float32).itemsize
        for vector in packed.values():
            if len(vector) != size:
                raise self._damaged(f"an embedding has {len(vector)} bytes, not {size}")
        return {key: np.frombuffer(vector, dtype=np.float32) for key, vector in packed.items()}

    def _damaged(self, what: str) -> LibraryDamaged:
        return LibraryDamaged(f"{self.path} is damaged: {what}. Make it again: pixelseek library verify --repair")

    def _read(
        self, key: Column[int], value: Column[bytes], photo_ids: Sequence[int]
    ) -> tuple[Origin | None, dict[int, bytes]]:
        """The origin, and the value of each of these photos that has one, read in one transaction."""
        packed: dict[int, bytes] = {}
        with self._reading() as connection:
            origin = _read_origin(connection)
            if connection is not None and origin is not None:
                for chunk in query_chunks([int(photo_id) for photo_id in photo_ids]):
                    packed.update(connection.execute(select(key, value).where(key.in_(chunk))).all())
        return origin, packed

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        """A connection that reads one state of the file; None if the file is missing or has no tables."""
        with ExitStack() as stack:
            connection = None
            if self.path.exists():
                try:
                    connection = stack.enter_context(self.database.connect())
                    if not inspect(connection).has_table(_origin.name):
                        connection = None
                except LibraryMissing:  # deleted a moment ago
                    connection = None
            yield connection


def _create(connection: Connection, embedding_size: int, hidden_size: int, pooled_size: int) -> str:
    """Create the tables and the origin where they are missing; returns the token."""
    _METADATA.create_all(connection)
    token = connection.execute(select(_origin.c.token)).scalar_one_or_none()
    if token is None:
        token = secrets.token_hex(8)
        origin = Origin(token, embedding_size, hidden_size, pooled_size)
        connection.execute(insert(_origin).values(**vars(origin)))
    return token


def _read_origin(connection: Connection | None) -> Origin | None:
    if connection is None:
        return None
    columns = _origin.c.token, _origin.c.embedding_size, _origin.c.hidden_size, _origin.c.pooled_size
    row = connection.execute(select(*columns)).one_or_none()
    return None if row is None else Origin(*row)
