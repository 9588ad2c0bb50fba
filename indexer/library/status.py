"""Where a library stands, in figures."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, desc, func, select

from indexer.library.catalog import encoded_table, folder_table, location_table, photo_table, unsupported_files_table
from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.generations import encodings_path, generation_files
from indexer.library.vector_store import open_vector_store


@dataclass(frozen=True)
class FolderStatus:
    """An indexed folder."""

    path: str
    online: bool
    """Whether it could be reached when last indexed."""
    locations: int
    """Photo files known in it, unreadable ones counted."""
    exclude: list[str]
    """Patterns of what is left out of it, beside `selection.DEFAULT_EXCLUDES`."""
    include: list[str]
    """Patterns of what is read all the same."""


@dataclass(frozen=True)
class LibraryStatus:
    """Where a library stands, for one generation."""

    path: Path
    generation: str
    """Empty where no model has encoded anything yet."""
    photos: int
    """Photos that a search can find."""
    waiting: int
    """Photos that have a location but are not encoded in this generation: `pixelseek index` does it."""
    hidden: int
    """Photos remembered, without a location."""
    locations: int
    """Files that hold a photo."""
    failed: int
    """Files that do not."""
    failures: list[tuple[str, str]]
    """(absolute path, reason) of each of those, in order of path."""
    passed_over: dict[str, int]
    """How many files in the folders are of a kind that is not read: by suffix, the most frequent first."""
    folders: list[FolderStatus]
    bytes_on_disk: int
    """Of the library itself, without thumbnails: there may be a hundred thousand of them to count."""
    index_covers: int
    """Encodings in the FAISS index; the rest are searched beside it."""
    index_fresh: bool
    """Whether that is all of them."""
    encodings: int
    """How many are stored in this generation, those of hidden photos included."""
    other_generations: dict[str, int]
    """Bytes of what other weights have made of the photos, by generation: nothing needs it but those weights."""


def read_status(path: Path, catalog: Database, generation: str) -> LibraryStatus:
    """The status of the library in folder `path`, for `generation`."""
    placed = select(func.count(location_table.c.photo_id.distinct()))
    encoded = select(encoded_table.c.photo_id).where(encoded_table.c.generation == generation)
    files = (
        select(func.count()).where(location_table.c.folder_id == folder_table.c.id).correlate(folder_table)
    ).scalar_subquery()
    with catalog.connect() as connection:
        known = connection.execute(select(func.count()).select_from(photo_table)).scalar_one()
        visible = connection.execute(placed).scalar_one()
        photos = connection.execute(placed.where(location_table.c.photo_id.in_(encoded))).scalar_one()
        locations = connection.execute(select(func.count(location_table.c.photo_id))).scalar_one()
        failures = connection.execute(
            select(folder_table.c.path, location_table.c.path, location_table.c.failure)
            .join(folder_table)
            .where(location_table.c.failure.is_not(None))
            .order_by(folder_table.c.path, location_table.c.path)
        )
        folders = connection.execute(
            select(
                folder_table.c.path, folder_table.c.online, files, folder_table.c.exclude, folder_table.c.include
            ).order_by(folder_table.c.path)
        )
        passed_over = read_unsupported_files(connection)
        failure_list = [(str(Path(folder, name)), failure or "") for folder, name, failure in failures]
        folder_list = [FolderStatus(*folder) for folder in folders]
    with closing(Encodings(encodings_path(path, generation))) as encodings:
        stored, covers = encodings.count(), open_vector_store(path, catalog, encodings, generation).covered()
    return LibraryStatus(
        path=path,
        generation=generation,
        photos=photos,
        waiting=visible - photos,
        hidden=known - visible,
        locations=locations,
        failed=len(failure_list),
        failures=failure_list,
        passed_over=passed_over,
        folders=folder_list,
        bytes_on_disk=_bytes_in(path),
        index_covers=covers,
        index_fresh=covers == stored,
        encodings=stored,
        other_generations=_other_generations(path, generation),
    )


def _other_generations(folder: Path, generation: str) -> dict[str, int]:
    found = Counter[str]()
    for file, owner in generation_files(folder):
        with suppress(FileNotFoundError):
            found[owner] += file.stat().st_size
    del found[generation]
    return dict(found)


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        with suppress(FileNotFoundError):  # a temporary file of a writer
            total += file.stat().st_size if file.is_file() else 0
    return total


def read_unsupported_files(connection: Connection) -> dict[str, int]:
    """How many files of each kind, the most frequent first."""
    files = func.sum(unsupported_files_table.c.files)
    query = select(unsupported_files_table.c.kind, files).group_by(unsupported_files_table.c.kind)
    return Counter(dict(connection.execute(query.order_by(desc(files), unsupported_files_table.c.kind)).all()))
