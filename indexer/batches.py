"""Commit the files that were read in batches: encodings first, then the catalog.

A photo, its location and the mark of its encoding enter the catalog in one transaction, after its encoding was
committed. A process killed in between leaves encodings without marks. They are removed when the library is opened
next, and the files are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Generic

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from indexer.changes import FileToRead
from indexer.decoding import Failure, Picture
from indexer.library.catalog import encoded_table, location_table, photo_table, query_chunks
from indexer.library.photo import FileIdentity
from indexer.library.photo_metadata import nonempty_fields, update_photo_metadata
from indexer.library.writer import LibraryWriter
from indexer.metadata.fields import METADATA_VERSION, Metadata
from indexer.photo_encoders import Content
from model.runtime.protocol import EncodedImages

ENCODED_AT_ONCE = 32
_LOCATIONS_AT_ONCE = 1000
_NOTHING = Metadata()


class KnownPhotos:
    """Photo ids by digest: photos in the catalog with the size of a file to read, and photos found since."""

    def __init__(self, connection: Connection, generation: str, sizes: Sequence[int]) -> None:
        self._ids: dict[bytes, int] = {}
        self._encoded: set[int] = set()
        self._digests_by_size: dict[int, set[bytes]] = {}
        self._next_id = (connection.execute(select(func.max(photo_table.c.id))).scalar() or 0) + 1
        photos = select(
            photo_table.c.id,
            photo_table.c.digest,
            photo_table.c.size,
            photo_table.c.metadata_version,
            encoded_table.c.photo_id.is_not(None),
        ).outerjoin(
            encoded_table, (encoded_table.c.photo_id == photo_table.c.id) & (encoded_table.c.generation == generation)
        )
        for chunk in query_chunks(sorted(set(sizes))):
            for photo_id, digest, size, version, encoded in connection.execute(
                photos.where(photo_table.c.size.in_(chunk))
            ):
                self._ids[digest] = photo_id
                if encoded:
                    self._encoded.add(photo_id)
                if encoded and version >= METADATA_VERSION:
                    self._digests_by_size.setdefault(size, set()).add(digest)

    def encoded_digests(self, size: int) -> frozenset[bytes]:
        """Digests of the photos of that size in bytes that need not be decoded again."""
        return frozenset(self._digests_by_size.get(size, ()))

    def identify(self, digest: bytes) -> tuple[int, bool]:
        """The id of the photo with that digest, and whether the photo is new and the id was assigned now."""
        if digest in self._ids:
            return self._ids[digest], False
        photo_id = self._ids[digest] = self._next_id
        self._next_id += 1
        return photo_id, True

    def needs_encoding(self, photo_id: int) -> bool:
        """Whether the photo is not encoded yet; True only once for each photo."""
        if photo_id in self._encoded:
            return False
        self._encoded.add(photo_id)
        return True


class Batch(Generic[Content]):
    """The files that were read since the last commit. `encode` is that of a `PhotoEncoder`."""

    def __init__(self, writer: LibraryWriter, encode: Callable[[Sequence[Content]], EncodedImages]) -> None:
        self._writer = writer
        self._encode = encode
        self._photos: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        self._locations: list[dict[str, Any]] = []
        self._changed_photos: set[int] = set()
        self._to_encode: dict[int, Content] = {}

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return len(self._to_encode) >= ENCODED_AT_ONCE or len(self._locations) >= _LOCATIONS_AT_ONCE

    def add_photo(self, photo_id: int, identity: FileIdentity, picture: Picture, *, is_new: bool) -> None:
        """Add a new photo, or one that was decoded again and may have new metadata."""
        columns = {
            "width": picture.width,
            "height": picture.height,
            "note": picture.note,
            "own": None,
            "metadata_version": METADATA_VERSION,
            **asdict(picture.metadata),
        }
        if is_new:
            self._photos.append({"id": photo_id, "digest": identity.digest, "size": identity.size, **columns})
        else:
            self._updates.append({"known_id": photo_id, **columns})

    def add_content(self, photo_id: int, content: Content) -> None:
        """Add a photo to encode."""
        self._to_encode[photo_id] = content

    def add_location(
        self,
        file: FileToRead,
        photo_id: int | None,
        failure: Failure | None,
        sidecar: Metadata = _NOTHING,
        *,
        predecessor: int | None,
    ) -> None:
        """Add the location of a photo or a failure, the metadata in its sidecar, and the photo that it may inherit
        from."""
        self._locations.append(
            {
                "folder_id": file.part.folder_id,
                "path": file.path,
                "mtime_ns": file.state.mtime_ns,
                "size": file.state.size,
                "photo_id": photo_id,
                "failure": None if failure is None else str(failure),
                "previous_photo_id": predecessor,
                "sidecar_ns": file.state.sidecar_ns,
                "sidecar": nonempty_fields(sidecar) or None,
            }
        )
        self._changed_photos.update(changed for changed in (photo_id, file.known_photo_id) if changed is not None)

    def commit(self) -> None:
        """Encode the photos that need it, store everything, and begin a new batch."""
        photo_ids = list(self._to_encode)
        if photo_ids:
            self._writer.encodings.add(photo_ids, self._encode(list(self._to_encode.values())))
        self._writer.catalog.write(self._store)
        self._photos.clear()
        self._updates.clear()
        self._locations.clear()
        self._changed_photos.clear()
        self._to_encode.clear()

    def _store(self, connection: Connection) -> None:
        if self._photos:
            connection.execute(insert(photo_table), self._photos)
        if self._updates:
            connection.execute(update(photo_table).where(photo_table.c.id == bindparam("known_id")), self._updates)
        if self._locations:
            remove_locations(connection, [(row["folder_id"], row["path"]) for row in self._locations])
            connection.execute(insert(location_table), self._locations)
        update_photo_metadata(connection, self._changed_photos)
        if self._to_encode:
            marks = [{"generation": self._writer.generation, "photo_id": photo_id} for photo_id in self._to_encode]
            connection.execute(insert(encoded_table), marks)


def remove_locations(connection: Connection, files: Sequence[tuple[int, str]]) -> None:
    """Remove files (folder id, path) from the catalog. A photo without files stays, hidden."""
    query = delete(location_table).where(
        location_table.c.folder_id == bindparam("in_folder"), location_table.c.path == bindparam("at_path")
    )
    if files:
        connection.execute(query, [{"in_folder": folder_id, "at_path": path} for folder_id, path in files])
