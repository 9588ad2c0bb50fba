"""Verify a library: compare its files with one another and with the photos on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from indexer.library.annotations import photo_tokens
from indexer.library.catalog import (
    encoded_table,
    folder_table,
    found_text_index_table,
    found_text_table,
    location_table,
    photo_table,
    read_ids,
    text_index_table,
)
from indexer.library.encodings import Encodings
from indexer.library.errors import REMEDY, FeaturesMissing, LibraryDamaged, LibraryError, reason
from indexer.library.file_state import FileState
from indexer.library.found_text import found_tokens
from indexer.library.text_indexes import wrong_entries
from indexer.library.view import LibraryView

_NORM_TOLERANCE = 1e-3
_PHOTOS_AT_ONCE = 64
_NO_FEATURES = "photos have no pixel features"


@dataclass(frozen=True)
class Problem:
    """A disagreement."""

    subject: str
    """The file that it is about."""
    message: str
    """What is wrong, and the remedy."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


def verify(library: LibraryView) -> list[Problem]:
    """All problems of `library`; empty if it is sound and up to date with the disk. Changes nothing.

    While another process is indexing, changes that it has not committed yet may appear as problems.
    """
    problems = list(_damage(library))
    if problems:
        return problems  # a damaged database cannot be compared
    return [
        *_marks(library),
        *_encodings(library),
        *(Problem(library.vectors.name, message) for message in library.vectors.problems()),
        *_words(library),
        *_found_text(library),
        *_files(library),
    ]


def _damage(library: LibraryView) -> Iterator[Problem]:
    for database in (library.catalog, library.encodings.database):
        name = database.name
        if not database.exists():
            continue
        try:
            yield from (Problem(name, line) for line in database.damage())
        except LibraryError as error:
            yield Problem(name, str(error))
            return
    if library.encodings.is_malformed():
        yield Problem(library.encodings.database.name, f"malformed; {REMEDY}")


def _marks(library: LibraryView) -> Iterator[Problem]:
    name = library.encodings.database.name
    query = select(encoded_table.c.photo_id).where(encoded_table.c.generation == library.generation)
    with library.catalog.connect() as connection:
        marked = read_ids(connection, query)
    stored = library.encodings.photo_ids()
    if missing := len(np.setdiff1d(marked, stored)):
        yield Problem(name, f"{missing} encodings are missing; {REMEDY}")
    if orphans := len(np.setdiff1d(stored, marked)):
        yield Problem(name, f"{orphans} encodings belong to no photo; {REMEDY}")


def _encodings(library: LibraryView) -> Iterator[Problem]:
    for fault, photo_ids in unsound_encodings(library).items():
        yield Problem(library.encodings.database.name, f"{len(photo_ids)} {fault}; {REMEDY}")


def unsound_encodings(library: LibraryView) -> dict[str, list[int]]:
    """The photos whose encodings are not sound, by fault."""
    unsound = defaultdict[str, list[int]](list)
    for block in library.encodings.after(0):
        is_normal = np.abs(np.linalg.norm(block.vectors, axis=1) - 1.0) < _NORM_TOLERANCE
        unsound["embeddings are not of length 1"] += block.photo_ids[~is_normal].tolist()
        for start in range(0, len(block.photo_ids), _PHOTOS_AT_ONCE):
            for fault, photo_ids in _unsound_features(
                library.encodings, block.photo_ids[start : start + _PHOTOS_AT_ONCE].tolist()
            ).items():
                unsound[fault] += photo_ids
    return {fault: photo_ids for fault, photo_ids in unsound.items() if photo_ids}


def _unsound_features(encodings: Encodings, photo_ids: list[int]) -> dict[str, list[int]]:
    """Those of these photos whose pixel features are not sound, by fault."""
    try:
        features, pooled = encodings.pixel_features(photo_ids), encodings.pooled_features(photo_ids)
    except LibraryDamaged as error:
        if len(photo_ids) == 1:
            is_missing = isinstance(error, FeaturesMissing)
            return {_NO_FEATURES if is_missing else "photos have pixel features of the wrong size": photo_ids}
        unsound = defaultdict[str, list[int]](list)
        for photo_id in photo_ids:  # those beside it may be sound
            for fault, of_photo in _unsound_features(encodings, [photo_id]).items():
                unsound[fault] += of_photo
        return unsound
    whole = features.keys() & pooled.keys()
    missing = [photo_id for photo_id in photo_ids if photo_id not in whole]
    infinite = [key for key in whole if not (np.isfinite(features[key]).all() and np.isfinite(pooled[key]).all())]
    return {
        _NO_FEATURES: missing,
        "photos have pixel features that are not finite": infinite,
    }


def _words(library: LibraryView) -> Iterator[Problem]:
    if wrong := photos_with_wrong_text(library):
        message = f"{len(wrong)} photos are not found by what is written about them; {REMEDY}"
        yield Problem(library.catalog.name, message)


def photos_with_wrong_text(library: LibraryView) -> list[int]:
    """The photos whose entry in the full-text index does not match their texts."""
    with library.catalog.connect() as connection:
        photo_ids = connection.execute(select(photo_table.c.id)).scalars().all()
        return wrong_entries(connection, text_index_table, photo_ids, photo_tokens)


def _found_text(library: LibraryView) -> Iterator[Problem]:
    if wrong := photos_with_wrong_found_text(library):
        yield Problem(library.catalog.name, f"{len(wrong)} photos are not found by the text in them; {REMEDY}")


def photos_with_wrong_found_text(library: LibraryView) -> list[int]:
    """The photos whose entry in the full-text index of found text does not match what was found."""
    with library.catalog.connect() as connection:
        read = connection.execute(select(found_text_table.c.photo_id)).scalars().all()
        indexed = connection.execute(select(found_text_index_table.c.rowid)).scalars().all()
        of_none = sorted(set(indexed) - set(read))
        return of_none + wrong_entries(connection, found_text_index_table, read, found_tokens)


def _files(library: LibraryView) -> Iterator[Problem]:
    query = (
        select(folder_table.c.path, location_table.c.path, location_table.c.mtime_ns, location_table.c.size)
        .join(folder_table)
        .where(folder_table.c.online)
    )
    with library.catalog.connect() as connection:
        for folder, path, mtime_ns, size in connection.execute(
            query.order_by(folder_table.c.path, location_table.c.path)
        ):
            file = Path(folder, path)
            try:
                state = FileState.of(file.stat())
            except OSError as error:
                yield Problem(str(file), f"{reason(error)}; index again")
                continue
            if (state.mtime_ns, state.size) != (mtime_ns, size):
                yield Problem(str(file), "has changed since it was indexed; index again")
