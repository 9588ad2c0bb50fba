"""The status of a library, in figures."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, desc, func, select

from indexer.library.catalog import encoded_table, folder_table, location_table, photo_table, unsupported_files_table
from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.found_text import count_read_and_waiting
from indexer.library.generations import encodings_path, generation_files
from indexer.library.gpu_search import search_name
from indexer.library.settings import FAISS, Settings
from indexer.library.vector_store import open_vector_store


@dataclass(frozen=True)
class FolderStatus:
    """An indexed folder."""

    path: str
    online: bool
    """Whether it could be reached at the last run."""
    locations: int
    """Known photo files in it, including unreadable ones."""
    exclude: list[str]
    """Patterns of what is excluded, in addition to `selection.DEFAULT_EXCLUDES`."""
    include: list[str]
    """Patterns of what is included nevertheless."""


@dataclass(frozen=True)
class LibraryStatus:
    """The status of a library, for one generation."""

    path: Path
    catalog: str
    """Its file in the library's folder, or its URL without the password."""
    files: str
    """The URL where pixel features and thumbnails are kept; empty: in the library's folder."""
    generation: str
    """Empty if no model has encoded anything yet."""
    photos: int
    """Photos that a search can find."""
    waiting: int
    """Photos that have a location but are not encoded by this generation: `pixelseek index` encodes them."""
    text_read: int
    """Photos in which text was looked for."""
    text_waiting: int
    """Photos in which it was not: `pixelseek index` does, where the extra `text` is installed."""
    hidden: int
    """Photos in the catalog without a location."""
    locations: int
    """Files that hold a photo."""
    failed: int
    """Files that could not be read as a photo."""
    failures: list[tuple[str, str]]
    """(absolute path, reason) of each of those, ordered by path."""
    passed_over: dict[str, int]
    """How many files in the folders are of an unsupported kind: by suffix, the most frequent first."""
    folders: list[FolderStatus]
    bytes_on_disk: int
    """Of the library without its thumbnails: counting a hundred thousand files takes long."""
    index_covers: int
    """Encodings in the index. A search also compares the others."""
    index_fresh: bool
    """Whether the index holds all encodings."""
    search: str
    """What compares vectors, by the settings: `FAISS on the CPU`, `PyTorch on the GPU`, `Milvus at URL`, ..."""
    encodings: int
    """Encodings stored by this generation, including those of hidden photos."""
    other_generations: dict[str, int]
    """Bytes of files of other generations, by generation. Only searches with those weights need them."""


def read_status(path: Path, catalog: Database, generation: str) -> LibraryStatus:
    """The status of the library in folder `path`, for `generation`."""
    located = select(func.count(location_table.c.photo_id.distinct()))
    encoded = select(encoded_table.c.photo_id).where(encoded_table.c.generation == generation)
    files = (
        select(func.count()).where(location_table.c.folder_id == folder_table.c.id).correlate(folder_table)
    ).scalar_subquery()
    with catalog.connect() as connection:
        known = connection.execute(select(func.count()).select_from(photo_table)).scalar_one()
        visible = connection.execute(located).scalar_one()
        photos = connection.execute(located.where(location_table.c.photo_id.in_(encoded))).scalar_one()
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
        text_read, text_waiting = count_read_and_waiting(connection)
        failure_list = [(str(Path(folder, name)), failure or "") for folder, name, failure in failures]
        folder_list = [FolderStatus(*folder) for folder in folders]
    with closing(Encodings(encodings_path(path, generation))) as encodings:
        vectors = open_vector_store(path, catalog, encodings, generation)
        stored, covers = encodings.count(), vectors.covered()
    settings = Settings.load(path)
    return LibraryStatus(
        path=path,
        catalog=catalog.name,
        files=settings.files,
        generation=generation,
        photos=photos,
        waiting=visible - photos,
        text_read=text_read,
        text_waiting=text_waiting,
        hidden=known - visible,
        locations=locations,
        failed=len(failure_list),
        failures=failure_list,
        passed_over=passed_over,
        folders=folder_list,
        bytes_on_disk=_bytes_in(path),
        index_covers=covers,
        index_fresh=covers == stored,
        search=search_name(settings.device) if settings.vectors == FAISS else f"Milvus at {vectors.name}",
        encodings=stored,
        other_generations=_other_generations(path, generation),
    )


def _other_generations(folder: Path, generation: str) -> dict[str, int]:
    sizes = Counter[str]()
    for file, owner in generation_files(folder):
        with suppress(FileNotFoundError):
            sizes[owner] += file.stat().st_size
    del sizes[generation]
    return dict(sizes)


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        with suppress(FileNotFoundError):  # the temporary file of a writer
            total += file.stat().st_size if file.is_file() else 0
    return total


def read_unsupported_files(connection: Connection) -> dict[str, int]:
    """How many files of each unsupported kind there are, the most frequent first."""
    files = func.sum(unsupported_files_table.c.files)
    query = select(unsupported_files_table.c.kind, files).group_by(unsupported_files_table.c.kind)
    return Counter(dict(connection.execute(query.order_by(desc(files), unsupported_files_table.c.kind)).all()))
