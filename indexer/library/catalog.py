"""The tables of the catalog: folders, files, photos, annotations. All other files of a library are derived from it.

The column types are portable SQL, so that the schema also fits PostgreSQL. Times are UTC integers. Paths are bytes in
the database (`os.fsencode`) and `str` in Python, whatever their encoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Named,
    Select,
    String,
    Table,
    TypedColumns,
    UniqueConstraint,
    cast,
    column,
    false,
    func,
    select,
    table,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_QUERY_SIZE = 1000

Value = TypeVar("Value")


class FilePath(TypeDecorator[str]):
    """A file path: bytes in the database, `str` with surrogate escapes in Python, so that any legal name fits."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """To bytes."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To `str`."""
        return None if value is None else os.fsdecode(value)


METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
"""All tables of the catalog. Constraints have names, so that later migrations can refer to them."""


class _Folder(TypedColumns):
    """A folder that the user indexed. No folder lies inside another."""

    id = Column(Integer, primary_key=True)
    path: Named[str] = Column(FilePath, unique=True)
    """Absolute."""
    mount_point: Named[str] = Column(FilePath)
    """Where its disk was mounted when last read. If nothing is mounted there, the disk is unplugged, not empty."""
    online: Named[bool]
    """False if the folder could not be reached at the last run. Its photos are kept meanwhile."""
    exclude: Named[list[str]] = Column(JSON, server_default="[]")
    """Patterns of excluded files and folders; see `selection`."""
    include: Named[list[str]] = Column(JSON, server_default="[]")
    """Patterns of files and folders that are included although they match `exclude` or a default."""


folder_table = Table("folder", METADATA, _Folder)


class _Photo(TypedColumns):
    """A photo, identified by the bytes of its file. Never deleted: a photo without locations is hidden.

    The columns from `taken_at` to `author` are those of `metadata.fields.Metadata`.
    """

    id = Column(BigInteger, primary_key=True, autoincrement=False)
    """Also its id in the FAISS index."""
    digest: Named[bytes] = Column(LargeBinary(16))
    """BLAKE2b-128 of the file's bytes."""
    size: Named[int] = Column(BigInteger)
    """Bytes."""
    width: Named[int]
    """Pixels, upright, as height is."""
    height: Named[int]
    taken_at: Named[int | None] = Column(BigInteger)
    taken_offset: Named[int | None]
    taken_microsecond: Named[int | None]
    taken_precision: Named[str | None]
    taken_source: Named[str | None]
    camera: Named[str | None]
    lens: Named[str | None]
    latitude: Named[float | None]
    longitude: Named[float | None]
    orientation: Named[int | None]
    title: Named[str | None]
    description: Named[str | None]
    keywords: Named[list[str]] = Column(JSON, server_default="[]")
    author: Named[str | None]
    note: Named[str | None]
    """What is wrong with the file, although it could be read."""
    own: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    """The metadata in the file itself, if the columns above differ from it because of an XMP sidecar."""
    metadata_version: Named[int] = Column(server_default="0")
    """The `METADATA_VERSION` of the program that read the metadata."""
    city: Named[str | None]
    """Derived from the position, as region and country are (`gazetteer`)."""
    region: Named[str | None]
    country: Named[str | None]


photo_table = Table("photo", METADATA, _Photo, UniqueConstraint("digest", "size"))


class _Location(TypedColumns):
    """A file in a folder: it holds a photo, or `failure` says why it could not be read as one."""

    folder_id: Named[int] = Column(ForeignKey(folder_table.c.id), primary_key=True)
    path: Named[str] = Column(FilePath, primary_key=True)
    """Relative to the folder."""
    mtime_ns: Named[int] = Column(BigInteger)
    size: Named[int] = Column(BigInteger)
    photo_id: Named[int | None] = Column(BigInteger, ForeignKey(photo_table.c.id), index=True)
    failure: Named[str | None]
    """A `decoding.Failure`."""
    previous_photo_id: Named[int | None] = Column(BigInteger)
    """Of a file that cannot be read: the photo it held before. Its annotations go to the photo that is read next."""
    sidecar_ns: Named[int | None] = Column(BigInteger)
    """Time of change of its XMP sidecar, in nanoseconds since 1970; None without a sidecar."""
    sidecar: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    """The fields of `Metadata` that the sidecar has."""


location_table = Table(
    "location", METADATA, _Location, CheckConstraint("(photo_id IS NULL) <> (failure IS NULL)", name="photo_or_failure")
)


class _UnsupportedFiles(TypedColumns):
    """How many files in a folder are of an unsupported kind. Each run counts them anew."""

    folder_id: Named[int] = Column(ForeignKey(folder_table.c.id, ondelete="CASCADE"), primary_key=True)
    path: Named[str] = Column(FilePath, primary_key=True)
    """Relative path of the folder in which they lie."""
    kind: Named[str] = Column(String, primary_key=True)
    files: Named[int]


unsupported_files_table = Table("passed_over", METADATA, _UnsupportedFiles)


class _RemovedFile(TypedColumns):
    """The photo of a file that was removed. A file written in its place soon after inherits the annotations."""

    folder_id: Named[int] = Column(ForeignKey(folder_table.c.id, ondelete="CASCADE"), primary_key=True)
    path: Named[str] = Column(FilePath, primary_key=True)
    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id))
    gone_at: Named[int] = Column(BigInteger)
    """UTC seconds, when a run found it missing."""


removed_file_table = Table("departed", METADATA, _RemovedFile)


class _Annotation(TypedColumns):
    """What people wrote about a photo with Pixelseek. Only people change it."""

    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id), primary_key=True)
    caption: Named[str | None]
    tags: Named[list[str]] = Column(JSON)
    favourite: Named[bool] = Column(server_default=false())


annotation_table = Table("annotation", METADATA, _Annotation)


class _SavedSearch(TypedColumns):
    """A search that a person keeps. Only people change it."""

    name: Named[str] = Column(String, primary_key=True)
    query: Named[str]


saved_search_table = Table("saved_search", METADATA, _SavedSearch)


class _TaughtWord(TypedColumns):
    """A word that a person teaches. The photos that show it are those with its name as a tag (`annotation_table`)."""

    id = Column(Integer, primary_key=True)
    """Never that of a deleted word: an answer that comes late must not teach another word."""
    name: Named[str]
    """As a person writes it."""
    key: Named[str] = Column(String, unique=True)
    """`text_analysis.name_key` of the name."""
    created_at: Named[int] = Column(BigInteger)
    """UTC seconds."""


taught_word_table = Table("taught_word", METADATA, _TaughtWord, sqlite_autoincrement=True)


class _NotShown(TypedColumns):
    """A photo of which a person said that it does not show the word. It has no tag of its name."""

    word_id: Named[int] = Column(ForeignKey(taught_word_table.c.id, ondelete="CASCADE"), primary_key=True)
    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id), primary_key=True, index=True)


not_shown_table = Table("not_shown", METADATA, _NotShown)


text_index_table = table("written", column("rowid", BigInteger), column("tokens", String))
"""A full-text index (`sql.CatalogSql`): by photo id, the tokens of annotations and of texts in the file."""


class _FoundText(TypedColumns):
    """The text in a photo, as one reader has read it. Derived from the photo's file."""

    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id), primary_key=True, autoincrement=False)
    reader: Named[str]
    """`text_reader.READER`: photos that another reader has read are read again."""
    texts: Named[list[dict[str, Any]]] = Column(JSON)
    """The fields of each `found_text.FoundText`."""
    failure: Named[str | None]
    """A `decoding.Failure`: why it could not be read."""


found_text_table = Table("found_text", METADATA, _FoundText)


found_text_index_table = table("found", column("rowid", BigInteger), column("tokens", String))
"""A full-text index like `text_index_table`, of the text in photos."""


class _Encoded(TypedColumns):
    """Marks a photo as encoded by a generation. Committed after the encoding itself."""

    generation: Named[str] = Column(String, primary_key=True)
    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id), primary_key=True)


encoded_table = Table("encoded", METADATA, _Encoded)


class _Setting(TypedColumns):
    """A named value of the whole library."""

    name: Named[str] = Column(String, primary_key=True)
    value: Named[str]


setting_table = Table("setting", METADATA, _Setting)


def query_chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """`values` in chunks that fit the `IN (...)` of one query."""
    for start in range(0, len(values), _QUERY_SIZE):
        yield values[start : start + _QUERY_SIZE]


def read_ids(connection: Connection, query: Select[int] | Select[int | None]) -> NDArray[np.int64]:
    """(N,) The ids that `query` selects, ascending.

    The database returns them as one string: fetching them row by row takes several times as long.
    """
    ids = query.subquery().c[0]
    text = connection.execute(select(func.aggregate_strings(cast(ids, String), ","))).scalar_one()
    return np.sort(np.fromstring(text or "", dtype=np.int64, sep=","))
