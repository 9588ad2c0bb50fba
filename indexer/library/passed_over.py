"""The files that are not searched, in groups: those that could not be read, and those of kinds that are not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Select, desc, func, select

from indexer.library.catalog import folder_table, location_table, unsupported_files_table

_MAX_KINDS = 20
_MAX_EXAMPLES = 5


@dataclass(frozen=True)
class PassedOver:
    """Files that were passed over for the same reason."""

    reason: str
    """Why a file could not be read, or the suffix of a kind that is not read."""
    is_photo: bool
    """Whether the files have names of photos; otherwise they are of a kind that is not read."""
    files: int
    examples: list[str]
    """Absolute paths of a few of the files; of a kind that is not read, of the folders that hold most of them."""


def read_passed_over(connection: Connection) -> list[PassedOver]:
    """All groups, photos first, the largest first; of the kinds that are not read, the most frequent ones."""
    return [*_unreadable(connection), *_unsupported(connection)]


def _unreadable(connection: Connection) -> list[PassedOver]:
    failure, count = location_table.c.failure, func.count()
    groups = select(failure, count).where(failure.is_not(None)).group_by(failure).order_by(desc(count), failure)
    paths = select(folder_table.c.path, location_table.c.path).select_from(location_table).join(folder_table)
    in_order = paths.order_by(folder_table.c.path, location_table.c.path).limit(_MAX_EXAMPLES)
    return [
        PassedOver(reason or "", True, files, _paths(connection, in_order.where(failure == reason)))
        for reason, files in connection.execute(groups).all()
    ]


def _unsupported(connection: Connection) -> list[PassedOver]:
    columns = unsupported_files_table.c
    count = func.sum(columns.files)
    groups = select(columns.kind, count).group_by(columns.kind).order_by(desc(count), columns.kind).limit(_MAX_KINDS)
    folders = select(folder_table.c.path, columns.path).select_from(unsupported_files_table).join(folder_table)
    in_order = folders.order_by(desc(columns.files), folder_table.c.path, columns.path).limit(_MAX_EXAMPLES)
    return [
        PassedOver(kind, False, files, _paths(connection, in_order.where(columns.kind == kind)))
        for kind, files in connection.execute(groups).all()
    ]


def _paths(connection: Connection, query: Select[str, str]) -> list[str]:
    return [str(Path(folder, path)) for folder, path in connection.execute(query)]
