"""An open library: what the layers above read, and what `indexing` writes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, exists, func, select

from indexer.library import migrations
from indexer.library.annotations import annotate, checked_annotation, count_words, store_all_words
from indexer.library.catalog import (
    annotation_table,
    encoded_table,
    folder_table,
    in_queries,
    location_table,
    photo_table,
    read_ids,
    setting_table,
)
from indexer.library.encodings import Encodings
from indexer.library.errors import (
    LibraryDamaged,
    LibraryError,
    LibraryMissing,
    LibraryReencoded,
    LibraryTooNew,
    PhotoMissing,
)
from indexer.library.facets import Facets, read_facets
from indexer.library.filters import Filters, matching_photos, newest_photos
from indexer.library.generations import (
    current_generation,
    forget_others,
    make_current,
    photos_waiting,
    remove_unused_files,
)
from indexer.library.lifetime import Lifetime, while_open
from indexer.library.locking import writer_lock
from indexer.library.paths import composed
from indexer.library.photo import Identity, Photo
from indexer.library.shortlist import Shortlist, visible_photos
from indexer.library.sqlite import Database, back_up
from indexer.library.status import LibraryStatus, read_status
from indexer.library.vectors import BY_SIZE, update_index

_OPENING_WAIT_S = 30.0

Value = TypeVar("Value")


_PHOTO_COLUMNS = [field.name for field in fields(Photo) if field.name not in ("path", "tags")]


class Library:
    """An open library folder as one model generation sees it; a context manager, safe to share between threads.

    Whoever asks for what people wrote, or for what is known of files, names no generation, and needs no model.

    Every method raises LibraryDamaged where SQLite finds a file damaged, LibraryError where it cannot use it.
    Open one with `Library.open`. `catalog`, `encodings`, `writing` and `update_index` are for
    the indexer layer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lifetime = Lifetime(f"the library in {path}")
        self.catalog = Database(
            _catalog_path(path),
            remedy="Put a backup in its place, or move it away and index again.",
            lifetime=self.lifetime,
        )
        self._opened_current = False
        self._see("")

    def _see(self, generation: str) -> None:
        self.generation = generation
        """Empty where no model has encoded anything yet, and none was named."""
        self.encodings = Encodings(self.path / f"encodings-{generation}.sqlite", lifetime=self.lifetime)
        self.index_path = self.path / f"index-{generation}.faiss"
        self._shortlist = Shortlist(self.catalog, self.encodings, generation, self.index_path)

    @classmethod
    def open(cls, path: Path, *, generation: str | None = None, create: bool = False) -> Library:
        """Open the library in folder `path`; with `create`, make it where there is none.

        `generation` is the one of the model at hand. Without one, it is the one that answers searches.

        A catalog of an older schema is backed up and migrated. What an interrupted run left behind is
        swept away.

        Raises LibraryMissing, LibraryTooNew, LibraryDamaged, or LibraryLocked or LibraryReadOnly when it must be
        migrated while another process writes to it or nobody can.
        """
        path = Path(os.path.normpath(path.expanduser().absolute()))
        if create:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LibraryError(
                    f"{path} cannot be made: {error.strerror}. Choose another with --library."
                ) from error
        elif not _catalog_path(path).exists():
            raise LibraryMissing(f"there is no library in {path}. Make one with `pixelseek index FOLDER`.")
        library = cls(path)
        try:
            if create:
                library.catalog.make()
            library._bring_up_to_date(create)
            library._see(library._answering() if generation is None else generation)
            library._sweep()
            library._opened_current = library.is_current()
        except BaseException:
            library.close()
            raise
        return library

    def close(self) -> None:
        """Close all files for good, once the calls of other threads have ended; later ones raise LibraryClosed."""
        self.lifetime.close()
        self._shortlist.close()
        self.catalog.close()
        self.encodings.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @while_open
    def photo_count(self) -> int:
        """How many photos a search can find: those with a location, encoded in this generation."""
        return len(self._shortlist.snapshot())

    @while_open
    def photo_ids(self) -> NDArray[np.int64]:
        """(N,) The ids of the photos a search can find, rising."""
        return visible_photos(self.catalog, self.generation)

    @while_open
    def matching(self, filters: Filters) -> NDArray[np.int64]:
        """(N,) ids of the photos for which `filters` hold, rising."""
        return matching_photos(self.catalog, filters)

    @while_open
    def facets(self, filters: Filters) -> Facets:
        """How many of the photos for which `filters` hold there are of each kind."""
        return read_facets(self.catalog, self.generation, filters)

    @while_open
    def newest(self, filters: Filters, count: int) -> list[int]:
        """Ids of the `count` photos taken last among those a search can find and for which `filters` hold."""
        return newest_photos(self.catalog, np.intersect1d(self.matching(filters), self.photo_ids()), count)

    @while_open
    def shortlist(
        self, embedding: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and inner products (K,) of the photos nearest to `embedding` (E,), best first.

        They are cosine similarities where it is L2-normalised. K is `count`, or all visible photos, those of them
        in `among` (N,), where there are fewer. Photos newer than the FAISS index are compared beside it.
        """
        return self._shortlist.snapshot().nearest(np.asarray(embedding, dtype=np.float32), count, among)

    @while_open
    def embeddings(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The embedding (E,) of each of these photos that is still encoded, in that order."""
        return _in_order(self.encodings.vectors(photo_ids), photo_ids)

    @while_open
    def pixel_features(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The pixel features (P, D), dequantised, of each of these photos that is still encoded, in that order."""
        return _in_order(self.encodings.pixel_features(photo_ids), photo_ids)

    @while_open
    def pooled_features(self, photo_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The pooled features (C,), dequantised, of each of these photos that is still encoded, in that order."""
        return _in_order(self.encodings.pooled_features(photo_ids), photo_ids)

    @while_open
    def photo(self, photo_id: int) -> Photo:
        """What is known of this photo. Raises PhotoMissing where it is hidden or unknown."""
        return still_there({photo.id: photo for photo in self.photos([photo_id])}, photo_id)

    @while_open
    def photos(self, photo_ids: Sequence[int]) -> list[Photo]:
        """What is known of these photos, in that order. One that is hidden or unknown is left out."""
        query = (
            select(
                photo_table,
                annotation_table.c.caption,
                annotation_table.c.tags,
                folder_table.c.path.label("folder"),
                folder_table.c.online,
                location_table.c.path,
            )
            .join(location_table, location_table.c.photo_id == photo_table.c.id)
            .join(folder_table)
            .outerjoin(annotation_table, annotation_table.c.photo_id == photo_table.c.id)
            .order_by(folder_table.c.online.desc(), folder_table.c.path, location_table.c.path)
        )
        found: dict[int, Photo] = {}
        with self.catalog.connect() as connection:
            for part in in_queries([int(photo_id) for photo_id in photo_ids]):
                for row in connection.execute(query.where(photo_table.c.id.in_(part))).mappings():
                    known = {name: row[name] for name in _PHOTO_COLUMNS}
                    path = str(Path(row["folder"], row["path"]))
                    found.setdefault(row["id"], Photo(path=path, tags=row["tags"] or [], **known))
        return list(_in_order(found, photo_ids).values())

    @while_open
    def find(self, identity: Identity) -> int | None:
        """The id of the visible photo with these bytes, encoded in this generation; None where there is none."""
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
    def paths(self, photo_ids: Sequence[int]) -> dict[int, list[str]]:
        """The absolute paths of every file of each of these photos that has any."""
        query = (
            select(photo_table.c.id, folder_table.c.path, location_table.c.path)
            .select_from(photo_table)
            .join(location_table)
            .join(folder_table)
        )
        paths: dict[int, list[str]] = {}
        with self.catalog.connect() as connection:
            for part in in_queries(photo_ids):
                rows = query.where(photo_table.c.id.in_(part)).order_by(folder_table.c.path, location_table.c.path)
                for photo_id, folder, path in connection.execute(rows):
                    paths.setdefault(photo_id, []).append(str(Path(folder, path)))
        return paths

    @while_open
    def at(self, path: Path) -> Photo:
        """The photo whose file lies at `path`, composed or decomposed (NFC, NFD). Raises PhotoMissing for none."""
        places = Path(os.path.normpath(path.expanduser().absolute())), path.expanduser().resolve()
        for place in places:
            above = [str(parent) for parent in place.parents]
            query = select(location_table.c.photo_id, folder_table.c.path, location_table.c.path).join(folder_table)
            with self.catalog.connect() as connection:
                for folder_id, folder in connection.execute(
                    select(folder_table.c.id, folder_table.c.path).where(folder_table.c.path.in_(above))
                ).all():
                    here = query.where(
                        folder_table.c.id == folder_id, location_table.c.path == str(place.relative_to(folder))
                    )
                    photo_id = connection.execute(here).scalars().first()
                    if photo_id is not None:
                        return replace(self.photo(photo_id), path=str(place))
        if (photo := self._at_other_form(places)) is not None:
            return photo
        raise PhotoMissing(f"{path} is not in the library. Index the folder it lies in: pixelseek index FOLDER")

    def _at_other_form(self, places: Sequence[Path]) -> Photo | None:
        """The photo of a file at one of `places`, whatever form of Unicode its path has: found by reading all paths."""
        wanted = {composed(str(place)) for place in places}
        if all(name.isascii() for name in wanted):
            return None
        files = (
            select(location_table.c.photo_id, folder_table.c.path, location_table.c.path)
            .join(folder_table)
            .where(location_table.c.photo_id.is_not(None))
        )
        with self.catalog.connect() as connection:
            for photo_id, folder, path in connection.execute(files):
                if not path.isascii() or not folder.isascii():
                    place = str(Path(folder, path))
                    if composed(place) in wanted and photo_id is not None:
                        return replace(self.photo(photo_id), path=place)
        return None

    @while_open
    def annotate(self, photo_id: int, *, caption: str | None, tags: Sequence[str]) -> None:
        """Write caption and tags of a photo in the place of any it has. Need not wait for another process to index.

        Raises PhotoMissing, and AnnotationRefused for what is too long or no text.
        """
        self.photo(photo_id)
        caption, tags = checked_annotation(caption, tags)
        with self.catalog.begin() as connection:
            annotate(connection, photo_id, caption, tags)

    @while_open
    def written(self, words: Collection[str]) -> dict[int, int]:
        """How many of `words` (as `words.words_of` gives them) are written about each photo that has any."""
        with self.catalog.connect() as connection:
            return count_words(connection, words)

    @while_open
    def is_current(self) -> bool:
        """Whether this generation answers searches, or none does yet.

        Not of a catalog of an older schema, either, which a backup may have brought back: it has to be opened anew.
        """
        with self.catalog.connect() as connection:
            if migrations.revision(connection) != migrations.HEAD:
                return False
            return current_generation(connection) in (None, self.generation)

    @while_open
    def status(self) -> LibraryStatus:
        """Where the library stands now."""
        return read_status(self.path, self.generation, self.catalog, self.encodings, self.index_path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer, of a library whose catalog and encodings agree.

        Raises LibraryLocked, naming the other writer, and LibraryReadOnly.
        """
        with self.lifetime.inside(), writer_lock(self.path):
            if not self._is_in_step():
                self.bring_in_step()
            yield

    @while_open
    def begin_generation(self, weights: str | None) -> bool:
        """Whether another generation answers searches until this one, made by `weights`, is complete.

        For the writer only. Raises LibraryReencoded when another has taken this one's place since the library was
        opened: whoever did that wants this one no more.
        """
        with self.catalog.connect() as connection:
            current = current_generation(connection)
            if current not in (None, self.generation) and (photos := visible_photos(self.catalog, current).size):
                if self._opened_current:
                    raise LibraryReencoded(
                        f"the {photos:,} photos in {self.path} were encoded by other weights meanwhile. Start again."
                    )
                return True
        with self.catalog.begin() as connection:
            make_current(connection, self.generation, weights)
        return False

    @while_open
    def complete_generation(self, weights: str | None) -> int:
        """Have this generation answer searches if no photo waits to be encoded; how many do. For the writer only."""
        with self.catalog.connect() as connection:
            waiting = photos_waiting(connection, self.generation)
        if not waiting:
            with self.catalog.begin() as connection:
                make_current(connection, self.generation, weights)
                forget_others(connection, self.generation)
        return waiting

    @while_open
    def remove_unused_files(self) -> None:
        """Delete what was made for generations that answer no more; for the writer only."""
        with self.catalog.connect() as connection:
            remove_unused_files(self.path, connection, self.generation)

    @while_open
    def update_index(self, *, newer_allowed: int = 0) -> None:
        """Make the FAISS index cover all encodings, if more than `newer_allowed` are newer; for the writer only."""
        with self.catalog.connect() as connection:
            setting = connection.execute(
                select(setting_table.c.value).where(setting_table.c.name == "index_factory")
            ).scalar_one_or_none()
        update_index(self.index_path, self.encodings, setting or BY_SIZE, newer_allowed=newer_allowed)

    def _answering(self) -> str:
        with self.catalog.connect() as connection:
            return current_generation(connection) or ""

    def _bring_up_to_date(self, create: bool) -> None:
        with self.catalog.connect() as connection:
            version = migrations.revision(connection)
        if version == migrations.HEAD:
            return
        if version is None and not create:
            raise LibraryMissing(f"there is no library in {self.path}. Make one with `pixelseek index FOLDER`.")
        if version is not None and not migrations.is_known(version):
            raise LibraryTooNew(
                f"the library in {self.path} was written by a newer Pixelseek (schema {version}). "
                "Update with `pip install --upgrade pixelseek`."
            )
        with writer_lock(self.path, wait_s=_OPENING_WAIT_S), self.catalog.begin() as connection:
            version = migrations.revision(connection)
            if version == migrations.HEAD:
                return  # another process has done it meanwhile
            if version is not None:
                back_up(_catalog_path(self.path), self.path / f"catalog-before-{migrations.HEAD}.sqlite")
            migrations.upgrade(connection)
            if version is not None:
                store_all_words(connection)  # what counts as a word may have changed, too

    def _sweep(self) -> None:
        """Undo what a killed run or a deleted encodings file left half done, where it can be: it harms no search."""
        if self._is_in_step():
            return
        try:
            with self.writing():
                pass
        except LibraryDamaged:
            raise
        except LibraryError:  # another process writes, the disk is full, or nobody may write
            pass

    def _is_in_step(self) -> bool:
        """Whether there are as many encodings as marks: a kill between the two commits leaves more."""
        count = select(func.count()).select_from(encoded_table).where(encoded_table.c.generation == self.generation)
        with self.catalog.connect() as connection:
            return connection.execute(count).scalar_one() == self.encodings.count()

    @while_open
    def bring_in_step(self) -> None:
        """Remove encodings without a mark, and marks without an encoding; for the writer only."""
        marks = select(encoded_table.c.photo_id).where(encoded_table.c.generation == self.generation)
        with self.catalog.connect() as connection:
            marked = read_ids(connection, marks)
        stored = self.encodings.photo_ids()
        self.encodings.remove(np.setdiff1d(stored, marked).tolist())
        with self.catalog.begin() as connection:
            for part in in_queries(np.setdiff1d(marked, stored).tolist()):
                connection.execute(
                    delete(encoded_table).where(
                        encoded_table.c.generation == self.generation, encoded_table.c.photo_id.in_(part)
                    )
                )


def _catalog_path(library: Path) -> Path:
    return library / "catalog.sqlite"


def still_there(known: Mapping[int, Value], photo_id: int) -> Value:
    """What is known of the photo, where anything is. Raises PhotoMissing."""
    if photo_id not in known:
        raise PhotoMissing(f"photo {photo_id} is no longer in the library. Search again.")
    return known[photo_id]


def _in_order(found: Mapping[int, Value], photo_ids: Sequence[int]) -> dict[int, Value]:
    return {int(photo_id): found[int(photo_id)] for photo_id in photo_ids if int(photo_id) in found}
