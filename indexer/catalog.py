"""The catalog: which folders, files and photos there are. The only truth of a library; all else is made from it.

Written in portable SQL types, so that the same schema can live in PostgreSQL. Times are UTC integers,
paths are bytes on disk (`os.fsencode`) and `str` in Python, whatever their encoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Select,
    String,
    UniqueConstraint,
    cast,
    func,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
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


class Base(DeclarativeBase):
    """All tables of the catalog; constraints are named so that later migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )


class Folder(Base):
    """A folder the user asked to index. Folders never lie inside one another."""

    __tablename__ = "folder"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, unique=True)
    """Absolute."""
    mount_point: Mapped[str] = mapped_column(FilePath)
    """Where its disk was mounted when last read: gone means unplugged, not emptied."""
    online: Mapped[bool]
    """False when it could not be reached at the last run; its photos are kept meanwhile."""


class Photo(Base):
    """A picture, known by the bytes of its file. Never deleted: one without locations is hidden."""

    __tablename__ = "photo"
    __table_args__ = (UniqueConstraint("digest", "size"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Also its id in the FAISS index."""
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    """BLAKE2b-128 of the file's bytes."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
    width: Mapped[int]
    """Pixels, upright, as height is."""
    height: Mapped[int]
    taken_at: Mapped[int | None] = mapped_column(BigInteger)
    """UTC seconds; the camera's own clock read as UTC when `taken_offset` is unknown."""
    taken_offset: Mapped[int | None]
    """Seconds east of UTC."""
    camera: Mapped[str | None] = mapped_column(String)
    lens: Mapped[str | None] = mapped_column(String)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    orientation: Mapped[int | None]
    """EXIF orientation, 1 to 8, of the stored pixels."""
    title: Mapped[str | None] = mapped_column(String)
    """What other programs have written into the file, as description and keywords."""
    description: Mapped[str | None] = mapped_column(String)
    keywords: Mapped[list[str]] = mapped_column(JSON, server_default="[]")


class Location(Base):
    """A file in a folder: either it holds a photo, or `failure` says why it could not be read as one."""

    __tablename__ = "location"
    __table_args__ = (CheckConstraint("(photo_id IS NULL) <> (failure IS NULL)", name="photo_or_failure"),)

    folder_id: Mapped[int] = mapped_column(ForeignKey(Folder.id), primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, primary_key=True)
    """Relative to the folder."""
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)
    photo_id: Mapped[int | None] = mapped_column(ForeignKey(Photo.id), index=True)
    failure: Mapped[str | None] = mapped_column(String)
    """A `decoding.Failure`."""
    previous_photo_id: Mapped[int | None] = mapped_column(BigInteger)
    """Of a file that fails: the photo it held before, whose heir it is once it can be read again."""


class Annotation(Base):
    """What people wrote about a photo with Pixelseek. Nothing else may change it."""

    __tablename__ = "annotation"

    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id), primary_key=True)
    caption: Mapped[str | None] = mapped_column(String)
    tags: Mapped[list[str]] = mapped_column(JSON)


class Word(Base):
    """A word written about a photo, in it or with Pixelseek. Made from those."""

    __tablename__ = "word"

    word: Mapped[str] = mapped_column(String, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id), primary_key=True, index=True)


class Encoded(Base):
    """The mark that a photo's encoding is stored for a generation. Committed after the encoding itself."""

    __tablename__ = "encoded"

    generation: Mapped[str] = mapped_column(String, primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id), primary_key=True)


class Setting(Base):
    """A named value of the library as a whole."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[str] = mapped_column(String)


def in_queries(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Cut `values` so that each part fits the `IN (...)` of one query."""
    for start in range(0, len(values), _QUERY_SIZE):
        yield values[start : start + _QUERY_SIZE]


def read_ids(connection: Connection, query: Select[int] | Select[int | None]) -> NDArray[np.int64]:
    """(N,) The ids that `query` selects, rising. They come as one string: row by row takes several times as long."""
    ids = query.subquery().c[0]
    text = connection.execute(select(func.aggregate_strings(cast(ids, String), ","))).scalar_one()
    return np.sort(np.fromstring(text or "", dtype=np.int64, sep=","))
