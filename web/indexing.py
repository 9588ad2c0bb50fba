"""Indexing that is started from the browser: one run at a time, in its own thread, with progress and cancelling."""

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
_MAX_FOLDERS_NAMED = 3

State = Literal["idle", "running", "done", "cancelled", "failed"]


class AlreadyIndexing(PixelseekError):  # noqa: N818
    """Indexing is already running."""


class FolderNotAllowed(PixelseekError):  # noqa: N818
    """A folder outside the roots that the server allows."""


class _Cancelled(PixelseekError):  # noqa: N818
    """Ends the run from inside its progress callback."""


@dataclass(frozen=True)
class Progress:
    """The progress of the latest run."""

    state: State = "idle"
    done: int = 0
    total: int = 0
    failed: int = 0
    message: str | None = None
    """How the run ended."""


class IndexJob:
    """The indexing of one server, at most one run at a time. Threads may share one."""

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
        """The progress now."""
        return self._progress

    def start(self, folders: Sequence[str]) -> None:
        """Index `folders`; where the list is empty, every known folder.

        Raises AlreadyIndexing, and FolderNotAllowed for a folder that is not inside an allowed root.
        """
        allowed = [self._allowed(folder) for folder in folders]
        with self._changed:
            if self._progress.state == "running":
                raise AlreadyIndexing("indexing is running already. Wait until it is done, or cancel it.")
            self._cancelled = False
            self._publish(Progress("running"))
            _log.info("indexing %s", ", ".join(map(str, allowed)) or "every folder of the library")
            self._thread = Thread(target=self._run, args=(allowed,), name="indexing", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """End the run at the next photo. Photos that are done stay indexed."""
        self._cancelled = True

    def changed_since(self, version: int, wait_s: float) -> tuple[int, Progress]:
        """Wait for progress newer than `version`, at most `wait_s` seconds; its version, and the progress now."""
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
            with LibraryView.open(
                self._library,
                generation=model.generation,
                photo_vectors=model.photo_vectors,
                create=bool(folders),
            ) as library:
                report = index_folders(
                    library,
                    folders,
                    processor=model.processor.image_processor,
                    load_runtime=lambda: model.runtime,
                    weights=model.lasting_name,
                    progress=self._note,
                )
            end = replace(self._progress, state="done", message=_summary(report))
        except _Cancelled:
            end = replace(self._progress, state="cancelled", message="Cancelled. Photos that were done stay indexed.")
            _log.info("indexing was cancelled")
        except Exception as error:  # also a bug must show on the page
            end = replace(self._progress, state="failed", message=str(error))
            is_bug = not isinstance(error, PixelseekError | OSError)
            _log.error("indexing failed: %s", error, exc_info=is_bug)
        else:
            _log.info("indexing is done: %s", end.message)
        with self._changed:
            self._publish(end)

    def _note(self, progress: IndexProgress) -> None:
        if self._cancelled:
            raise _Cancelled
        with self._changed:
            self._publish(Progress("running", progress.done, progress.total, progress.failed))

    def _publish(self, progress: Progress) -> None:
        self._progress = progress
        self._version += 1
        self._changed.notify_all()


def _summary(report: IndexReport) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in report.counts().items() if count)
    offline = f" Not reachable: {', '.join(report.offline)}." if report.offline else ""
    failures = [
        f"{path}: {reason}" for path, reason in [*report.not_read, *report.unreadable] if path not in report.offline
    ]
    named, more = failures[:_MAX_FOLDERS_NAMED], len(failures) - _MAX_FOLDERS_NAMED
    others = f" and {more:,} more" if more > 0 else ""
    unreadable = f" Could not be read: {'; '.join(named)}{others}." if failures else ""
    return f"Photos: {counts or 'none'}.{offline}{unreadable}"
