"""The catalog: which folders, files and photos there are. The only truth of a library; all else is made from it.

Written in portable SQL types, so that the same schema can live in PostgreSQL. Times are UTC integers,
paths are bytes on disk (`os.fsencode`) and `str` in Python, whatever their encoding.
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
"""All tables of the catalog; constraints are named so that later migrations can name them too."""


class _Folder(TypedColumns):
    """A folder the user asked to index. Folders never lie inside one another."""

    id = Column(Integer, primary_key=True)
    path: Named[str] = Column(FilePath, unique=True)
    """Absolute."""
    mount_point: Named[str] = Column(FilePath)
    """Where its disk was mounted when last read: gone means unplugged, not emptied."""
    online: Named[bool]
    """False when it could not be reached at the last run; its photos are kept meanwhile."""
    exclude: Named[list[str]] = Column(JSON, server_default="[]")
    """Patterns of what is left out, as `selection` reads them."""
    include: Named[list[str]] = Column(JSON, server_default="[]")
    """Patterns of what is read all the same."""


folder_table = Table("folder", METADATA, _Folder)


class _Photo(TypedColumns):
    """A picture, known by the bytes of its file. Never deleted: one without locations is hidden."""

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
    """UTC seconds; the camera's own clock read as UTC when `taken_offset` is unknown."""
    taken_offset: Named[int | None]
    """Seconds east of UTC."""
    taken_microsecond: Named[int | None]
    taken_precision: Named[str | None]
    """`year`, `month` or `day` where no more is known."""
    taken_source: Named[str | None]
    """Where the date stands: `exif`, `xmp`, `iptc` or `png`; else it is guessed from a file's `name` or `file` time."""
    camera: Named[str | None]
    lens: Named[str | None]
    latitude: Named[float | None]
    longitude: Named[float | None]
    orientation: Named[int | None]
    """EXIF orientation, 1 to 8, of the stored pixels."""
    title: Named[str | None]
    """What other programs have written into the file, as description and keywords."""
    description: Named[str | None]
    keywords: Named[list[str]] = Column(JSON, server_default="[]")
    author: Named[str | None]
    note: Named[str | None]
    """What is wrong with a file that is read all the same."""
    own: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    """The metadata of its bytes, where the columns above tell something else because of a file beside it."""
    metadata_version: Named[int] = Column(server_default="0")
    """The `METADATA_VERSION` that has read it."""


photo_table = Table("photo", METADATA, _Photo, UniqueConstraint("digest", "size"))


class _Location(TypedColumns):
    """A file in a folder: either it holds a photo, or `failure` says why it could not be read as one."""

    folder_id: Named[int] = Column(ForeignKey(folder_table.c.id), primary_key=True)
    path: Named[str] = Column(FilePath, primary_key=True)
    """Relative to the folder."""
    mtime_ns: Named[int] = Column(BigInteger)
    size: Named[int] = Column(BigInteger)
    photo_id: Named[int | None] = Column(BigInteger, ForeignKey(photo_table.c.id), index=True)
    failure: Named[str | None]
    """A `decoding.Failure`."""
    previous_photo_id: Named[int | None] = Column(BigInteger)
    """Of a file that fails: the photo it held before, whose heir it is once it can be read again."""
    sidecar_ns: Named[int | None] = Column(BigInteger)
    """When the XMP file beside it was last written; None: there is none."""
    sidecar: Named[dict[str, Any] | None] = Column(JSON(none_as_null=True))
    """The fields of `Metadata` that it tells."""


location_table = Table(
    "location", METADATA, _Location, CheckConstraint("(photo_id IS NULL) <> (failure IS NULL)", name="photo_or_failure")
)


class _UnsupportedFiles(TypedColumns):
    """How many files in a folder are of a kind that is not read. Made by each run anew."""

    folder_id: Named[int] = Column(ForeignKey(folder_table.c.id, ondelete="CASCADE"), primary_key=True)
    path: Named[str] = Column(FilePath, primary_key=True)
    """Of the folder in which they lie, relative."""
    kind: Named[str] = Column(String, primary_key=True)
    files: Named[int]


unsupported_files_table = Table("passed_over", METADATA, _UnsupportedFiles)


class _RemovedFile(TypedColumns):
    """The photo of a file that has gone: whatever is written in its place soon after is its heir."""

    folder_id: Named[int] = Column(ForeignKey(folder_table.c.id, ondelete="CASCADE"), primary_key=True)
    path: Named[str] = Column(FilePath, primary_key=True)
    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id))
    gone_at: Named[int] = Column(BigInteger)
    """UTC seconds, when it was missed."""


removed_file_table = Table("departed", METADATA, _RemovedFile)


class _Annotation(TypedColumns):
    """What people wrote about a photo with Pixelseek. Nothing else may change it."""

    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id), primary_key=True)
    caption: Named[str | None]
    tags: Named[list[str]] = Column(JSON)


annotation_table = Table("annotation", METADATA, _Annotation)


text_index_table = table("written", column("rowid", BigInteger), column("tokens", String))
"""A text index (`sqlite.create_text_index`), not a table: by the id of a photo, the tokens of what is written about it,
in it or with Pixelseek. Made from those."""


class _Encoded(TypedColumns):
    """The mark that a photo's encoding is stored for a generation. Committed after the encoding itself."""

    generation: Named[str] = Column(String, primary_key=True)
    photo_id: Named[int] = Column(BigInteger, ForeignKey(photo_table.c.id), primary_key=True)


encoded_table = Table("encoded", METADATA, _Encoded)


class _Setting(TypedColumns):
    """A named value of the library as a whole."""

    name: Named[str] = Column(String, primary_key=True)
    value: Named[str]


setting_table = Table("setting", METADATA, _Setting)


def query_chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut `values` so that each part fits the `IN (...)` of one query."""
    for start in range(0, len(values), _QUERY_SIZE):
        yield values[start : start + _QUERY_SIZE]


def read_ids(connection: Connection, query: Select[int] | Select[int | None]) -> NDArray[np.int64]:
    """(N,) The ids that `query` selects, rising. They come as one string: row by row takes several times as long."""
    ids = query.subquery().c[0]
    text = connection.execute(select(func.aggregate_strings(cast(ids, String), ","))).scalar_one()
    return np.sort(np.fromstring(text or "", dtype=np.int64, sep=","))
