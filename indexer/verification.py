"""Compare everything a library holds with everything else it holds, and with the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from indexer import sqlite
from indexer.catalog import Encoded, Folder, Location, in_queries, read_ids
from indexer.errors import LibraryError
from indexer.library import Library
from indexer.vectors import covering_stamp, read_index, read_stamp

_NORM_TOLERANCE = 1e-3
_FP16_TOLERANCE = 2e-3


@dataclass(frozen=True)
class Problem:
    """Something that does not fit."""

    subject: str
    """The file or table it is about."""
    message: str
    """What is wrong and what helps."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


def verify(library: Library) -> list[Problem]:
    """All that is wrong with `library`; empty when it is whole and in step with the disk. Changes nothing.

    While another process is indexing, what it has not committed yet may show as a problem.
    """
    problems = list(_damage(library))
    if problems:
        return problems  # nothing more can be read off a damaged database
    return [*_marks(library), *_encodings(library), *_index(library), *_files(library)]


def _damage(library: Library) -> Iterator[Problem]:
    for name, engine in (("catalog.sqlite", library.catalog), (library.encodings.path.name, library.encodings.engine)):
        if not (library.path / name).exists():
            continue
        try:
            yield from (Problem(name, line) for line in sqlite.damage(engine))
        except LibraryError as error:
            yield Problem(name, str(error))


def _marks(library: Library) -> Iterator[Problem]:
    name = library.encodings.path.name
    query = select(Encoded.photo_id).where(Encoded.generation == library.generation)
    with library.catalog.connect() as connection:
        marked = read_ids(connection, query)
    stored = library.encodings.photo_ids()
    if missing := len(np.setdiff1d(marked, stored)):
        yield Problem(name, f"{missing} encodings are missing; index again")
    if orphans := len(np.setdiff1d(stored, marked)):
        yield Problem(name, f"{orphans} encodings belong to no photo; index again")


def _encodings(library: Library) -> Iterator[Problem]:
    origin = library.encodings.origin()
    if origin is None:
        return
    wrong = Counter[str]()
    for part in library.encodings.after(0):
        if part.vectors.shape[1] != origin.embedding_size:
            wrong["embeddings are of the wrong size"] += len(part.photo_ids)
            continue
        sound = np.abs(np.linalg.norm(part.vectors, axis=1) - 1.0) < _NORM_TOLERANCE
        wrong["embeddings are not of length 1"] += int((~sound).sum())
        for ids in in_queries(part.photo_ids.tolist()):
            try:
                features = library.encodings.pixel_features(ids)
            except ValueError:
                wrong["groups of pixel features hold some of the wrong size"] += 1
                continue
            wrong["photos have no pixel features"] += len(ids) - len(features)
            wrong["photos have pixel features that are not finite"] += sum(
                not np.isfinite(feature).all() for feature in features.values()
            )
    for what, count in wrong.items():
        if count:
            yield Problem(library.encodings.path.name, f"{count} {what}; delete the file and index again")


def _index(library: Library) -> Iterator[Problem]:
    path, name = library.index_path, library.index_path.name
    total = library.encodings.count()
    if not path.exists():
        if total:
            yield Problem(name, "missing; searches are slower until the next `pixelseek index`")
        return
    stamp = covering_stamp(path, library.encodings)
    if stamp is None:
        what = "incomplete" if read_stamp(path) is None else "made from other encodings"
        yield Problem(name, f"{what}, and not used; index again")
        return
    if stamp.count != total:
        yield Problem(name, f"covers {stamp.count} of {total} encodings; index again to speed up searches")
    index = read_index(path, stamp)
    if index is None:
        yield Problem(name, "cannot be read by FAISS, and is not used; delete it and index again")
        return
    order, wrong = np.argsort(index.ids), 0
    for part in library.encodings.after(0):
        covered = part.sequences <= stamp.sequence
        if not covered.any():
            break
        rows = order[np.searchsorted(index.ids, part.photo_ids[covered], sorter=order).clip(max=len(order) - 1)]
        if (index.ids[rows] != part.photo_ids[covered]).any():
            yield Problem(name, "lacks a photo that it should cover; delete it and index again")
            return
        wrong += int((np.abs(index.vectors[rows] - part.vectors[covered]).max(axis=1) > _FP16_TOLERANCE).sum())
    if wrong:
        yield Problem(name, f"{wrong} vectors differ from the encodings; delete it and index again")


def _files(library: Library) -> Iterator[Problem]:
    query = select(Folder.path, Location.path, Location.mtime_ns, Location.size).join(Folder).where(Folder.online)
    with library.catalog.connect() as connection:
        for folder, path, mtime_ns, size in connection.execute(query.order_by(Folder.path, Location.path)):
            file = Path(folder, path)
            try:
                state = file.stat()
            except OSError as error:
                yield Problem(str(file), f"{error.strerror}; index again")
                continue
            if (state.st_mtime_ns, state.st_size) != (mtime_ns, size):
                yield Problem(str(file), "has changed since it was indexed; index again")
