"""Pixel features outside the file of encodings: a shard, one file of a `FileStore`, holds those of a batch of photos.

A shard is noted first, written second, and its parts are committed third. A process killed in between leaves a shard
without parts, which `sweep` removes. No shard is ever changed: where some of its photos are removed, `sweep` writes the
others into a new one, and a reader that has looked up the old one looks once more.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
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

from indexer.library.catalog import query_chunks
from indexer.library.errors import REMEDY, FeaturesMissing, FilesUnreachable
from indexer.library.file_store import FileStore, Part
from indexer.library.sqlite import SqliteDatabase

_log = logging.getLogger("pixelseek.index")
_FOLDER = "features"
"""In the store; in it there is a folder for each file of encodings."""

_METADATA = MetaData()


class _Shard(TypedColumns):
    id = Column(Integer, primary_key=True)
    name = Column(String, unique=True, nullable=False)
    is_settled: Named[bool] = Column(index=True)
    """Whether everything in it is needed; if not, `sweep` has something to do."""


_shard = Table("shard", _METADATA, _Shard)


class _ShardPart(TypedColumns):
    """Where the packed pixel features of a photo lie."""

    photo_id = Column(Integer, primary_key=True)
    shard_id: Named[int] = Column(ForeignKey(_shard.c.id), index=True)
    start: Named[int]
    length: Named[int]
    checksum: Named[int]
    """CRC-32."""


_part = Table("shard_part", _METADATA, _ShardPart)


@dataclass(frozen=True)
class _Place:
    part: Part
    checksum: int


@dataclass(frozen=True)
class WrittenShard:
    """A shard that is in the store, and whose parts are not committed yet."""

    id: int
    parts: list[dict[str, Any]]

    def commit(self, connection: Connection) -> None:
        """Have its photos be read from it, in the transaction of `connection`."""
        drop_parts(connection, [part["photo_id"] for part in self.parts])
        connection.execute(insert(_part), self.parts)
        connection.execute(update(_shard).where(_shard.c.id == self.id).values(is_settled=True))


class FeatureShards:
    """The pixel features that a file of encodings has in a store."""

    def __init__(
        self,
        database: SqliteDatabase,
        reading: Callable[[], AbstractContextManager[Connection | None]],
        open_files: Callable[[], FileStore | None],
    ) -> None:
        """`database` notes the shards, and `reading` reads it. `open_files` is called when the store is needed; None:
        pixel features lie in the file of encodings."""
        self._database = database
        self._reading = reading
        self._open_files = open_files

    @cached_property
    def store(self) -> FileStore | None:
        """Raises FilesUnreachable."""
        return self._open_files()

    def write(self, token: str, packed: Mapping[int, bytes]) -> WrittenShard | None:
        """Store the packed pixel features of photos, by id; None where there is no store.

        `token` is that of the file of encodings. Raises FilesUnreachable.
        """
        if self.store is None:
            return None
        content = b"".join(packed.values())
        random, digest = secrets.token_hex(8), hashlib.blake2b(content, digest_size=16).hexdigest()
        name = f"{_FOLDER}/{token}/{random[:2]}/{random}-{digest}"
        with self._database.begin() as connection:
            _METADATA.create_all(connection)
            noted = connection.execute(insert(_shard).values(name=name, is_settled=False).returning(_shard.c.id))
            shard_id = noted.scalar_one()
        self.store.write(name, content)
        parts, start = [], 0
        for photo_id, features in packed.items():
            place = {"shard_id": shard_id, "start": start, "length": len(features), "checksum": zlib.crc32(features)}
            parts.append({"photo_id": photo_id, **place})
            start += len(features)
        return WrittenShard(shard_id, parts)

    def read(self, photo_ids: Sequence[int]) -> dict[int, bytes]:
        """The packed pixel features of each of these photos that has them, by one request of the store.

        Photos whose shard is missing or damaged are left out, and a line of the log says so. Raises FeaturesMissing
        where that leaves none, and FilesUnreachable.
        """
        places = self._places(photo_ids)
        packed = self._contents(places)
        if len(packed) < len(places):  # a writer may have removed or moved them since they were looked up
            again = self._places([photo_id for photo_id in places if photo_id not in packed])
            packed |= self._contents({key: place for key, place in again.items() if place != places[key]})
            if lost := [place.part.name for photo_id, place in again.items() if photo_id not in packed]:
                message = (
                    f"{lost[0]} in {self.place} is missing or damaged"
                    f"{f', as are {len(set(lost)) - 1} other files' if len(set(lost)) > 1 else ''}: the pixel features "
                    f"of {len(lost)} of {len(places)} photos cannot be read; {REMEDY}"
                )
                if not packed:
                    raise FeaturesMissing(f"{message}.")
                _log.warning("%s.", message)
        return packed

    @property
    def place(self) -> str:
        """Where the store is, for messages."""
        return "the library's folder" if self.store is None else self.store.place

    def sweep(self, token: str) -> None:
        """Remove shards that no photo needs, and take out of the others what is not needed. The caller is the writer.

        While the store cannot be reached, it is left to the next writer.
        """
        with self._reading() as connection:
            if connection is None or not _has_shards(connection):
                return
            unsettled = connection.execute(select(_shard.c.id, _shard.c.name).where(~_shard.c.is_settled)).all()
        if not unsettled:
            return
        try:
            if self.store is None:
                return
            emptied = {shard_id: name for shard_id, name in unsettled if self._empty(shard_id, token)}
            self.store.remove(emptied.values())
        except FilesUnreachable as error:
            _log.warning("Pixel features that are not needed any more stay for now: %s", error)
            return
        with self._database.begin() as connection:
            for chunk in query_chunks(list(emptied)):
                connection.execute(delete(_shard).where(_shard.c.id.in_(chunk)))

    def copy(self, target: FileStore, *, progress: Callable[[int], object]) -> None:
        """Copy all shards to another store; those that are there already are left out. Tells how many were copied.

        Raises FeaturesMissing where one is missing or damaged, here or there: its name has the digest of its content.
        """
        with self._reading() as connection:
            if connection is None or not _has_shards(connection) or self.store is None:
                return
            names = list(connection.execute(select(_shard.c.name).order_by(_shard.c.id)).scalars())
        for name in names:
            if not _is_sound(name, target.read(name)):
                content = self.store.read(name)
                if content is None or not _is_sound(name, content):
                    raise FeaturesMissing(f"{name} in {self.place} is missing or damaged; {REMEDY}.")
                target.write(name, content)
                if not _is_sound(name, target.read(name)):
                    raise FeaturesMissing(f"{name} is not the same in {target.place} as in {self.place}. Try again.")
            progress(1)

    def count(self) -> int:
        """How many shards there are."""
        with self._reading() as connection:
            if connection is None or not _has_shards(connection):
                return 0
            return connection.execute(select(func.count()).select_from(_shard)).scalar_one()

    def size(self) -> int:
        """Bytes of the pixel features of all photos that lie in shards."""
        with self._reading() as connection:
            if connection is None or not _has_shards(connection):
                return 0
            return int(connection.execute(select(func.sum(_part.c.length))).scalar_one() or 0)

    def remove_other_folders(self, tokens: Callable[[], Iterable[str]]) -> None:
        """Remove the shards of all files of encodings but those with these tokens. The caller is the writer."""
        try:
            if self.store is not None:
                for folder in set(self.store.folders(_FOLDER)) - set(tokens()):
                    self.store.remove_folder(f"{_FOLDER}/{folder}")
        except FilesUnreachable as error:
            _log.warning("The pixel features of other weights stay for now: %s", error)

    def _empty(self, shard_id: int, token: str) -> bool:
        """Move what photos need of a shard into a new one; False where it cannot be read."""
        with self._database.connect() as connection:
            photo_ids = list(connection.execute(select(_part.c.photo_id).where(_part.c.shard_id == shard_id)).scalars())
        packed = self._contents(self._places(photo_ids))
        if len(packed) < len(photo_ids):
            return False
        if packed and (shard := self.write(token, packed)) is not None:
            with self._database.begin() as connection:
                shard.commit(connection)
        return True

    def _places(self, photo_ids: Sequence[int]) -> dict[int, _Place]:
        columns = _part.c.photo_id, _shard.c.name, _part.c.start, _part.c.length, _part.c.checksum
        query = select(*columns).join_from(_part, _shard)
        places: dict[int, _Place] = {}
        with self._reading() as connection:
            if connection is not None and _has_shards(connection):
                for chunk in query_chunks(photo_ids):
                    for photo_id, name, start, length, checksum in connection.execute(
                        query.where(_part.c.photo_id.in_(chunk))
                    ):
                        places[photo_id] = _Place(Part(name, start, length), checksum)
        return places

    def _contents(self, places: Mapping[int, _Place]) -> dict[int, bytes]:
        """The bytes at these places; those that are missing or not what was written are left out."""
        if not places:
            return {}
        if self.store is None:
            raise FilesUnreachable(
                "the pixel features are not in the library's folder. Say where they are: pixelseek config files URL"
            )
        contents = self.store.read_parts([place.part for place in places.values()])
        return {
            photo_id: content
            for (photo_id, place), content in zip(places.items(), contents, strict=True)
            if content is not None and zlib.crc32(content) == place.checksum
        }


def _is_sound(name: str, content: bytes | None) -> bool:
    return content is not None and hashlib.blake2b(content, digest_size=16).hexdigest() == name.rpartition("-")[2]


def drop_parts(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Have these photos need no shard any more, in the transaction of `connection`."""
    if not _has_shards(connection):
        return
    for chunk in query_chunks(photo_ids):
        of_photos = _part.c.photo_id.in_(chunk)
        shards = select(_part.c.shard_id).where(of_photos)
        connection.execute(update(_shard).where(_shard.c.id.in_(shards)).values(is_settled=False))
        connection.execute(delete(_part).where(of_photos))


def has_parts(connection: Connection) -> bool:
    """Whether photos have pixel features in shards."""
    return _has_shards(connection) and connection.execute(select(_part.c.photo_id).limit(1)).first() is not None


def _has_shards(connection: Connection) -> bool:
    return inspect(connection).has_table(_part.name)
