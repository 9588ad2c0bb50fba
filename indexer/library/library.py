"""A library without a model: photos, files, annotations, filters and status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import exists, select

from indexer.library.annotations import (
    Annotation,
    checked_annotation,
    common_texts,
    count_matching_words,
    read_annotation,
    write_annotation,
)
from indexer.library.catalog import annotation_table, folder_table, location_table, photo_table, query_chunks
from indexer.library.copying import back_up
from indexer.library.database import Database
from indexer.library.errors import AnnotationRefused, LibraryError, PhotoMissing
from indexer.library.filters import Filters, matching_photos
from indexer.library.found_text import FoundText, count_found_words, read_found_text
from indexer.library.generations import current_generation
from indexer.library.lifetime import while_open
from indexer.library.opening import open_catalog
from indexer.library.passed_over import PassedOver, read_passed_over
from indexer.library.paths import composed, normalized
from indexer.library.photo import PhotoRecord
from indexer.library.saved_searches import delete_search, read_saved_searches, rename_search, save_search
from indexer.library.status import LibraryStatus, read_status
from indexer.library.taught_words import (
    Offer,
    Source,
    TaughtWord,
    answer,
    delete_taught_word,
    keyword_examples,
    photos_named,
    read_said_of,
    read_taught_names,
    read_taught_word,
    read_taught_words,
    rename_taught_word,
    taught_word_offers,
    teach_word,
)
from model.paths import expanded, resolved

Value = TypeVar("Value")


_PHOTO_COLUMNS = [field.name for field in fields(PhotoRecord) if field.name not in ("path", "tags", "favourite")]


class Library:
    """An open library folder; a context manager, safe to share between threads. Open one with `Library.open`.

    To search, open a `LibraryView`. To write more than annotations, lock it with a `LibraryWriter`.

    Every method raises LibraryDamaged if SQLite finds a file damaged, LibraryError if it cannot use it, and
    LibraryClosed after `close`.
    """

    def __init__(self, path: Path, catalog: Database) -> None:
        self.path = path
        self.catalog = catalog
        self.lifetime = catalog.lifetime

    @classmethod
    def open(cls, path: str | Path | None = None, *, create: bool = False) -> Self:
        """Open the library in folder `path` (default: the user's own); with `create`, create it if it is missing.

        A catalog of an older schema is backed up and migrated.

        Raises LibraryMissing, LibraryTooNew, LibraryDamaged, or LibraryLocked or LibraryReadOnly when it must be
        migrated while another process writes to it or nobody can.
        """
        return cls(*open_catalog(path, create=create))

    def close(self) -> None:
        """Close all files for good, once the calls of other threads have ended; later ones raise LibraryClosed."""
        self.lifetime.close()
        self.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @while_open
    def current_generation(self) -> str:
        """The generation of the model that answers searches; empty before the first run."""
        with self.catalog.connect() as connection:
            return current_generation(connection) or ""

    @while_open
    def status(self) -> LibraryStatus:
        """The status of the library, for the generation that answers searches."""
        return read_status(self.path, self.catalog, self.current_generation())

    @while_open
    def passed_over(self) -> list[PassedOver]:
        """The files in the folders that cannot be found, in groups, with the reason."""
        with self.catalog.connect() as connection:
            return read_passed_over(connection)

    @while_open
    def latest_ids(self, count: int, *, after: int = 0) -> list[int]:
        """Ids of the `count` photos that were added last, the latest first, of those with an id above `after`."""
        has_file = exists().where(location_table.c.photo_id == photo_table.c.id)
        query = select(photo_table.c.id).where(photo_table.c.id > after, has_file)
        with self.catalog.connect() as connection:
            return list(connection.execute(query.order_by(photo_table.c.id.desc()).limit(count)).scalars())

    @while_open
    def back_up(self, target: str | Path) -> None:
        """Copy the catalog to the new file `target`, also while another process writes.

        Raises LibraryError when there is such a file, or it cannot be written.
        """
        target = expanded(target)
        if target.exists():
            raise LibraryError(f"{target} exists. Name a new file.")
        if not target.parent.is_dir():
            raise LibraryError(f"{target.parent} is not a folder. Name a file in one that exists.")
        back_up(self.catalog, target)

    @while_open
    def matching(self, filters: Filters) -> NDArray[np.int64]:
        """(N,) ids of the photos for which `filters` hold, ascending."""
        return matching_photos(self.catalog, filters)

    @while_open
    def photo(self, photo_id: int) -> PhotoRecord:
        """The record of this photo. Raises PhotoMissing if it is hidden or unknown."""
        return require_photo({photo.id: photo for photo in self.photos([photo_id])}, photo_id)

    @while_open
    def photos(self, photo_ids: Sequence[int]) -> list[PhotoRecord]:
        """The records of these photos, in the order of `photo_ids`, without hidden and unknown photos."""
        query = (
            select(
                photo_table,
                annotation_table.c.caption,
                annotation_table.c.tags,
                annotation_table.c.favourite,
                folder_table.c.path.label("folder"),
                folder_table.c.online,
                location_table.c.path,
            )
            .join(location_table, location_table.c.photo_id == photo_table.c.id)
            .join(folder_table)
            .outerjoin(annotation_table, annotation_table.c.photo_id == photo_table.c.id)
            .order_by(folder_table.c.online.desc(), folder_table.c.path, location_table.c.path)
        )
        records: dict[int, PhotoRecord] = {}
        with self.catalog.connect() as connection:
            for chunk in query_chunks([int(photo_id) for photo_id in photo_ids]):
                for row in connection.execute(query.where(photo_table.c.id.in_(chunk))).mappings():
                    columns = {name: row[name] for name in _PHOTO_COLUMNS}
                    path = str(Path(row["folder"], row["path"]))
                    columns |= {"path": path, "tags": row["tags"] or [], "favourite": bool(row["favourite"])}
                    records.setdefault(row["id"], PhotoRecord(**columns))
        return list(in_order(records, photo_ids).values())

    @while_open
    def paths(self, photo_ids: Sequence[int]) -> dict[int, list[str]]:
        """The absolute paths of all files of each of these photos that has any."""
        query = (
            select(photo_table.c.id, folder_table.c.path, location_table.c.path)
            .select_from(photo_table)
            .join(location_table)
            .join(folder_table)
        )
        paths: dict[int, list[str]] = {}
        with self.catalog.connect() as connection:
            for chunk in query_chunks(photo_ids):
                rows = query.where(photo_table.c.id.in_(chunk)).order_by(folder_table.c.path, location_table.c.path)
                for photo_id, folder, path in connection.execute(rows):
                    paths.setdefault(photo_id, []).append(str(Path(folder, path)))
        return paths

    @while_open
    def photo_at(self, path: str | Path) -> PhotoRecord:
        """The photo whose file is at `path`, in any Unicode form (NFC, NFD).

        Raises PhotoMissing if there is none, or the file could not be read as a photo.
        """
        path = Path(path)
        candidates = normalized(path), resolved(path)
        for candidate in candidates:
            above = [str(parent) for parent in candidate.parents]
            query = select(location_table.c.photo_id, location_table.c.failure)
            with self.catalog.connect() as connection:
                for folder_id, folder in connection.execute(
                    select(folder_table.c.id, folder_table.c.path).where(folder_table.c.path.in_(above))
                ).all():
                    location = query.where(
                        location_table.c.folder_id == folder_id,
                        location_table.c.path == str(candidate.relative_to(folder)),
                    )
                    for photo_id, failure in connection.execute(location):
                        if photo_id is None:
                            raise PhotoMissing(
                                f"{path} could not be read as a photo: {failure}. Put a sound file in its place, and "
                                "index again: pixelseek index"
                            )
                        return replace(self.photo(photo_id), path=str(candidate))
        if (photo := self._at_other_form(candidates)) is not None:
            return photo
        raise PhotoMissing(f"{path} is not in the library. Index the folder it lies in: pixelseek index FOLDER")

    def _at_other_form(self, candidates: Sequence[Path]) -> PhotoRecord | None:
        """The photo of a file at one of `candidates` in another Unicode form, found by reading all paths."""
        composed_paths = {composed(str(candidate)) for candidate in candidates}
        if all(path.isascii() for path in composed_paths):
            return None
        files = (
            select(location_table.c.photo_id, folder_table.c.path, location_table.c.path)
            .join(folder_table)
            .where(location_table.c.photo_id.is_not(None))
        )
        with self.catalog.connect() as connection:
            for photo_id, folder, path in connection.execute(files):
                if not path.isascii() or not folder.isascii():
                    absolute = str(Path(folder, path))
                    if composed(absolute) in composed_paths and photo_id is not None:
                        return replace(self.photo(photo_id), path=absolute)
        return None

    @while_open
    def annotate(
        self, photo_id: int, *, caption: str | None, tags: Sequence[str], favourite: bool | None = None
    ) -> None:
        """Replace the caption and tags of a photo, and whether it is a favourite; None leaves that as it is.

        Raises as `edit_annotation` does.
        """
        self.edit_annotation(
            photo_id, lambda before: Annotation(caption, tags, before.favourite if favourite is None else favourite)
        )

    @while_open
    def edit_annotation(self, photo_id: int, edit: Callable[[Annotation], Annotation]) -> Annotation:
        """Replace the annotation of a photo by what `edit` makes of it, and return that.

        It is one transaction: of two people who edit at once, neither undoes what the other did. It does not wait for
        another process that is indexing.

        Raises PhotoMissing, and AnnotationRefused for a caption or tag that is too long or not text.
        """
        self.photo(photo_id)
        with self.catalog.begin() as connection:
            annotation = checked_annotation(edit(read_annotation(connection, photo_id)))
            write_annotation(connection, photo_id, annotation)
        return annotation

    @while_open
    def edit_annotations(self, photo_ids: Sequence[int], edit: Callable[[Annotation], Annotation]) -> list[int]:
        """Replace the annotations of these photos as `edit_annotation` does, all or none; the ids of those it changed.

        Hidden and unknown photos are left out. Raises AnnotationRefused, which names the photo.
        """
        changed = []
        photos = self.photos(photo_ids)
        with self.catalog.begin() as connection:
            for photo in photos:
                before = read_annotation(connection, photo.id)
                try:
                    annotation = checked_annotation(edit(before))
                except AnnotationRefused as error:
                    raise AnnotationRefused(f"{Path(photo.path).name}: {error}") from error
                if annotation != checked_annotation(before):
                    write_annotation(connection, photo.id, annotation)
                    changed.append(photo.id)
        return changed

    @while_open
    def common_texts(self, count: int) -> list[str]:
        """The `count` tags and captions that stand at most photos, the most frequent first."""
        with self.catalog.connect() as connection:
            return common_texts(connection, count)

    @while_open
    def saved_searches(self) -> dict[str, str]:
        """The query of each saved search, by name and in the order of names."""
        with self.catalog.connect() as connection:
            return read_saved_searches(connection)

    @while_open
    def save_search(self, name: str, query: str) -> None:
        """Keep `query` under `name`, in place of an older one of that name. Raises SavedSearchRefused."""
        with self.catalog.begin() as connection:
            save_search(connection, name, query)

    @while_open
    def rename_search(self, name: str, new_name: str) -> None:
        """Rename a saved search. Raises SavedSearchMissing, and SavedSearchRefused for a name that is taken."""
        with self.catalog.begin() as connection:
            rename_search(connection, name, new_name)

    @while_open
    def delete_search(self, name: str) -> None:
        """Delete a saved search. Raises SavedSearchMissing."""
        with self.catalog.begin() as connection:
            delete_search(connection, name)

    @while_open
    def taught_words(self) -> list[TaughtWord]:
        """The words that people teach, in the order of their names."""
        with self.catalog.connect() as connection:
            return read_taught_words(connection)

    @while_open
    def taught_names(self) -> dict[int, str]:
        """The names of the taught words, by id."""
        with self.catalog.connect() as connection:
            return read_taught_names(connection)

    @while_open
    def said_of(self, photo_id: int) -> dict[int, bool]:
        """Whether a photo shows a taught word, by the id of the word: of those of which people said so."""
        with self.catalog.connect() as connection:
            return read_said_of(connection, photo_id)

    @while_open
    def taught_word(self, word_id: int) -> TaughtWord:
        """The taught word of that id. Raises TaughtWordMissing."""
        with self.catalog.connect() as connection:
            return read_taught_word(connection, word_id)

    @while_open
    def teach_word(self, name: str) -> TaughtWord:
        """The taught word of that name, which is made if there is none. Photos with that tag show it.

        Raises TaughtWordRefused.
        """
        with self.catalog.begin() as connection:
            return read_taught_word(connection, teach_word(connection, name))

    @while_open
    def answer(self, word_id: int, photo_ids: Sequence[int], shown: bool | None) -> dict[int, bool | None]:
        """Say that these photos show a taught word (they get its tag), or do not, or take back what was said (None).

        Hidden and unknown photos are left out. Returns what was said before of each photo of which another thing was
        said: to undo, say that.

        Raises TaughtWordMissing; TaughtWordRefused where there are too many photos that do not show it; and
        AnnotationRefused, which names the photo, where one has too many tags.
        """
        names = {photo.id: Path(photo.path).name for photo in self.photos(photo_ids)}
        with self.catalog.begin() as connection:
            return answer(connection, word_id, names, shown)

    @while_open
    def rename_taught_word(self, word_id: int, new_name: str) -> bool:
        """Rename a taught word, and the tag on its photos, also on hidden ones.

        Where a word of the new name is taught, or photos have it as a tag, both become one with the id `word_id`: a
        photo shows it if it shows either. Returns whether that happened; if not, renaming it back undoes it.

        Raises TaughtWordMissing and TaughtWordRefused.
        """
        with self.catalog.begin() as connection:
            return rename_taught_word(connection, word_id, new_name)

    @while_open
    def delete_taught_word(self, word_id: int, *, keep_tags: bool) -> TaughtWord:
        """Delete a taught word, and the tag on its photos unless `keep_tags`; returns what it was, to undo that.

        Raises TaughtWordMissing.
        """
        with self.catalog.begin() as connection:
            return delete_taught_word(connection, word_id, keep_tags=keep_tags)

    @while_open
    def taught_word_offers(self) -> list[Offer]:
        """The names of tags and keywords of enough photos to be taught, except those that are; most photos first."""
        with self.catalog.connect() as connection:
            return taught_word_offers(connection)

    @while_open
    def photos_named(self, name: str, source: Source) -> list[int]:
        """Ids of the photos that have that name as a tag, or as a keyword in their files; hidden ones left out."""
        with self.catalog.connect() as connection:
            return photos_named(connection, name, source)

    @while_open
    def keyword_examples(self, word_id: int) -> list[int]:
        """Ids of the photos with the name among the keywords in their files, of which people said nothing else.

        Raises TaughtWordMissing.
        """
        with self.catalog.connect() as connection:
            return keyword_examples(connection, word_id)

    @while_open
    def add_keyword_examples(self, word_id: int) -> list[int]:
        """Say of all `keyword_examples` that they show the word; returns their ids. To undo, take that back.

        Raises as `answer` does.
        """
        return list(self.answer(word_id, self.keyword_examples(word_id), shown=True))

    @while_open
    def annotation_matches(self, words: Collection[str]) -> dict[int, int]:
        """How many of `words` (see `text_analysis.search_words`) are written about each photo; only photos with any."""
        with self.catalog.connect() as connection:
            return count_matching_words(connection, words)

    @while_open
    def found_text(self, photo_id: int) -> list[FoundText]:
        """The text in a photo; empty where none was found, or it was not read yet."""
        with self.catalog.connect() as connection:
            return read_found_text(connection, photo_id)

    @while_open
    def found_text_matches(self, words: Collection[str]) -> dict[int, int]:
        """How many of `words` (see `text_analysis.search_words`) can be read in each photo; only photos with any."""
        with self.catalog.connect() as connection:
            return count_found_words(connection, words)


def require_photo(values: Mapping[int, Value], photo_id: int) -> Value:
    """The value of the photo in `values`. Raises PhotoMissing if there is none."""
    if photo_id not in values:
        raise PhotoMissing(f"photo {photo_id} is no longer in the library. Search again.")
    return values[photo_id]


def in_order(values: Mapping[int, Value], photo_ids: Sequence[int]) -> dict[int, Value]:
    """The values of those of these photos that have one, in the order of `photo_ids`."""
    return {int(photo_id): values[int(photo_id)] for photo_id in photo_ids if int(photo_id) in values}
