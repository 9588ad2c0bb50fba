"""Count the files of unsupported kinds: those without the suffix of a photo."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select

from indexer.folders import FolderPart
from indexer.library.catalog import unsupported_files_table
from indexer.scanning import Scan


def store_unsupported_files(connection: Connection, part: FolderPart, scan: Scan) -> None:
    """Store the counts of a scan. Those of folders that could not be read are kept."""
    columns = unsupported_files_table.c
    rows = connection.execute(
        select(columns.path, columns.kind, columns.files).where(columns.folder_id == part.folder_id)
    )
    known = {(path, kind): files for path, kind, files in rows if part.contains(path) and not scan.is_unknown(path)}
    outdated = [key for key, files in known.items() if scan.unsupported.get(key) != files]
    new = {key: files for key, files in scan.unsupported.items() if known.get(key) != files}
    if outdated:
        where = (columns.path == bindparam("at_path"), columns.kind == bindparam("of_kind"))
        query = delete(unsupported_files_table).where(columns.folder_id == part.folder_id, *where)
        connection.execute(query, [{"at_path": path, "of_kind": kind} for path, kind in outdated])
    if new:
        connection.execute(
            insert(unsupported_files_table),
            [
                {"folder_id": part.folder_id, "path": path, "kind": kind, "files": files}
                for (path, kind), files in new.items()
            ],
        )
