"""The lock that lets one process write to a library at a time. Readers need no lock."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.library.errors import LibraryLocked, LibraryReadOnly

if TYPE_CHECKING:
    from indexer.library.database import Database


@contextmanager
def library_lock(library: Path, catalog: Database, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of the library in that folder, and that of its catalog, which other machines may use.

    Raises as `writer_lock` does.
    """
    with writer_lock(library, wait_s=wait_s), catalog.lock(wait_s=wait_s):
        yield


@contextmanager
def writer_lock(library: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of the library in that folder. The system releases it when a process dies.

    Raises LibraryLocked, naming the holder, when it is not free within `wait_s` seconds, and LibraryReadOnly.
    """
    from filelock import FileLock, Timeout  # imported here: a search needs no lock and starts faster

    holder = library / "writer.txt"
    lock = FileLock(library / "writer.lock", timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        process = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise LibraryLocked(f"{library} is being written by {process}. Wait until it is done, or stop it.") from error
    except OSError as error:
        raise LibraryReadOnly(
            f"{library} cannot be written: {error.strerror}. It can be searched; to change it, copy it elsewhere."
        ) from error
    try:
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        with suppress(OSError):  # a full disk: the next write reports it
            holder.write_text(f"process {os.getpid()} on {platform.node()} since {since}", encoding="utf-8")
        yield
    finally:
        lock.release()
