"""Indexing started from the browser: one run at a time, in a thread of its own, that can be watched and cancelled."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Thread
from typing import Literal

from indexer.indexing import IndexProgress, IndexReport, index_folders
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.errors import PixelseekError

_log = logging.getLogger("pixelseek.indexing")
_SHOWN = 3

State = Literal["idle", "running", "done", "cancelled", "failed"]


class AlreadyIndexing(PixelseekError):  # noqa: N818
    """A run is going on."""


class FolderNotAllowed(PixelseekError):  # noqa: N818
    """A folder outside the roots that were allowed when the server was started."""


class _Cancelled(PixelseekError):  # noqa: N818
    """Thrown into the run to end it."""


@dataclass(frozen=True)
class Progress:
    """How far the latest run has come."""

    state: State = "idle"
    done: int = 0
    total: int = 0
    failed: int = 0
    message: str | None = None
    """How it ended."""


class IndexJob:
    """The one run of indexing that a server may have. Threads may share one."""

    def __init__(self, library: Path, model: Callable[[], TrainedModel], roots: Sequence[Path]) -> None:
        self._library = library
        self._model = model
        self.roots = [root.expanduser().resolve() for root in roots]
        self._changed = Condition()
        self._progress = Progress()
        self._version = 0
        self._cancelled = False
        self._thread: Thread | None = None

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        return self._progress

    def start(self, folders: Sequence[str]) -> None:
        """Index `folders`, or every known one where none is named.

        Raises AlreadyIndexing, and FolderNotAllowed for a folder that is not inside an allowed root.
        """
        allowed = [self._allowed(folder) for folder in folders]
        with self._changed:
            if self._progress.state == "running":
                raise AlreadyIndexing("indexing is running already. Wait until it is done, or cancel it.")
            self._cancelled = False
            self._tell(Progress("running"))
            _log.info("indexes %s", ", ".join(map(str, allowed)) or "every folder of the library")
            self._thread = Thread(target=self._run, args=(allowed,), name="indexing", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """End the run at the next photo. What is done is kept."""
        self._cancelled = True

    def changed_since(self, version: int, wait_s: float) -> tuple[int, Progress]:
        """The next progress after `version`, or the present one after `wait_s` seconds; and its version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, wait_s)
            return self._version, self._progress

    def close(self) -> None:
        """Cancel the run and wait for its end."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def _allowed(self, folder: str) -> Path:
        path = Path(folder).expanduser().resolve()
        if not any(path.is_relative_to(root) for root in self.roots):
            raise FolderNotAllowed(f"{folder} is not inside a folder that may be added: pixelseek serve --root FOLDER.")
        return path

    def _run(self, folders: Sequence[Path]) -> None:
        try:
            model = self._model()
            with LibraryView.open(self._library, generation=model.generation, create=bool(folders)) as library:
                report = index_folders(
                    library,
                    folders,
                    processor=model.processor,
                    load_runtime=lambda: model.runtime,
                    weights=model.lasting_name,
                    progress=self._note,
                )
            end = replace(self._progress, state="done", message=_summary(report))
        except _Cancelled:
            end = replace(self._progress, state="cancelled", message="Cancelled. What was done is kept.")
            _log.info("indexing was cancelled")
        except Exception as error:  # whatever it is, the person who watches must learn of it
            end = replace(self._progress, state="failed", message=str(error))
            is_bug = not isinstance(error, PixelseekError | OSError)
            _log.error("indexing failed: %s", error, exc_info=is_bug)
        else:
            _log.info("has indexed: %s", end.message)
        with self._changed:
            self._tell(end)

    def _note(self, progress: IndexProgress) -> None:
        if self._cancelled:
            raise _Cancelled
        with self._changed:
            self._tell(Progress("running", progress.done, progress.total, progress.failed))

    def _tell(self, progress: Progress) -> None:
        self._progress = progress
        self._version += 1
        self._changed.notify_all()


def _summary(report: IndexReport) -> str:
    said = ", ".join(f"{count:,} {name}" for name, count in report.counts().items() if count)
    away = f" Not reachable: {', '.join(report.offline)}." if report.offline else ""
    refused = [f"{path}: {why}" for path, why in [*report.not_read, *report.unreadable] if path not in report.offline]
    more = f" and {len(refused) - _SHOWN:,} more" if len(refused) > _SHOWN else ""
    unreadable = f" Could not be looked at: {'; '.join(refused[:_SHOWN])}{more}." if refused else ""
    return f"Photos: {said or 'none'}.{away}{unreadable}"
