"""Differences between the catalog and the disk: which files to read, and which were removed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from indexer.decoding import Failure
from indexer.folders import FolderPart
from indexer.library.catalog import encoded_table, location_table, photo_table
from indexer.library.file_state import FileState
from indexer.metadata.fields import METADATA_VERSION
from indexer.scanning import Scan


class KnownFile(NamedTuple):
    """A file in the catalog."""

    state: FileState
    photo_id: int | None
    failure: str | None
    encoded: bool
    """Whether the generation in use has encoded its photo."""
    previous_photo_id: int | None
    """The photo that it held before, if it cannot be read, or if it is not decided yet what is inherited from it."""
    outdated: bool
    """Whether its photo's metadata was read by an older version, which read less."""


@dataclass(frozen=True)
class FileToRead:
    """A file that is new or has changed, or whose photo is not encoded yet."""

    part: FolderPart
    path: str
    """Relative to the folder."""
    state: FileState
    known_photo_id: int | None
    """The photo that it holds according to the catalog."""
    previous_photo_id: int | None
    """The photo before it, from which a new one may inherit what was said."""
    is_known: bool

    @property
    def absolute_path(self) -> str:
        """Absolute path of the file."""
        return str(self.part.folder / self.path)

    def predecessor_of(self, photo_id: int, *, is_new: bool) -> int | None:
        """The photo from which the one that was found in the file may inherit what was said.

        Only a new photo may. One that has come from another path is no edited version of what was here.
        """
        may_inherit = is_new or photo_id == self.known_photo_id
        return self.previous_photo_id if may_inherit and self.previous_photo_id != photo_id else None


@dataclass
class Changes:
    """The changes in all parts."""

    to_read: list[FileToRead] = field(default_factory=list)
    removed: list[tuple[FolderPart, str, int | None]] = field(default_factory=list)
    """Part, path and photo id of each removed file."""
    found: int = 0
    outdated: list[FileToRead] = field(default_factory=list)
    """Of the unchanged files, one for each photo whose metadata was read by an older version."""
    unchanged: int = 0
    failed: int = 0
    """Unchanged files that could not be read before."""
    undecided: dict[int, tuple[int, Path]] = field(default_factory=dict)
    """Photos that may inherit, since a run that was killed: the photo that each replaced, and where."""


def known_files(connection: Connection, part: FolderPart, generation: str) -> dict[str, KnownFile]:
    """The files of a part in the catalog, by path."""
    query = (
        select(
            location_table.c.path,
            location_table.c.mtime_ns,
            location_table.c.size,
            location_table.c.photo_id,
            location_table.c.failure,
            encoded_table.c.photo_id.is_not(None),
            location_table.c.previous_photo_id,
            location_table.c.sidecar_ns,
            photo_table.c.metadata_version < METADATA_VERSION,
        )
        .outerjoin(
            encoded_table,
            and_(encoded_table.c.photo_id == location_table.c.photo_id, encoded_table.c.generation == generation),
        )
        .outerjoin(photo_table, photo_table.c.id == location_table.c.photo_id)
        .where(location_table.c.folder_id == part.folder_id)
    )
    return {
        path: KnownFile(FileState(mtime_ns, size, sidecar), photo_id, failure, encoded, previous, bool(outdated))
        for path, mtime_ns, size, photo_id, failure, encoded, previous, sidecar, outdated in connection.execute(query)
        if part.contains(path)
    }


def compare(
    part: FolderPart, scan: Scan, known: Mapping[str, KnownFile], replaced_photos: Mapping[str, int], changes: Changes
) -> None:
    """Add to `changes` the differences between the files `scan` found in `part` and the `known` ones.

    `replaced_photos` are the ids of removed photos that new files replace, by path.
    """
    changes.found += len(scan.files)
    outdated = {file.known_photo_id for file in changes.outdated}
    for path, state in scan.files.items():
        before = known.get(path)
        if before is not None and before.state == state and not _should_be_read(part, path, before):
            if before.photo_id is not None and before.previous_photo_id is not None:
                changes.undecided[before.photo_id] = (before.previous_photo_id, part.folder / path)
            changes.unchanged += before.failure is None
            changes.failed += before.failure is not None
            if before.outdated and before.photo_id not in outdated:
                outdated.add(before.photo_id)
                changes.outdated.append(_to_read(part, path, state, before, None))
        else:
            changes.to_read.append(_to_read(part, path, state, before, replaced_photos.get(path)))
    changes.removed += [
        (part, path, before.photo_id)
        for path, before in known.items()
        if path not in scan.files and not scan.is_unknown(path)
    ]


def _to_read(
    part: FolderPart, path: str, state: FileState, before: KnownFile | None, predecessor: int | None
) -> FileToRead:
    if before is None:
        return FileToRead(part, path, state, None, predecessor, is_known=False)
    previous = before.photo_id if before.previous_photo_id is None else before.previous_photo_id
    return FileToRead(part, path, state, before.photo_id, previous, is_known=True)


def _should_be_read(part: FolderPart, path: str, before: KnownFile) -> bool:
    if before.failure == Failure.UNREADABLE:  # a changed permission does not change the state of the file
        return os.access(part.folder / path, os.R_OK)
    return before.failure is None and not before.encoded
