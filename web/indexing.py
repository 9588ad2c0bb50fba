"""Indexing that is started from the browser: one run at a time, in its own thread, with progress and cancelling."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Literal

from indexer.indexing import IndexProgress, IndexReport, index_folders
from indexer.library.errors import LibraryError, LibraryMissing
from indexer.library.passed_over import PassedOver
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.errors import PixelseekError
from model.paths import resolved
from web.pace import Pace, time_left

_log = logging.getLogger("pixelseek.indexing")
_MAX_FOLDERS_NAMED = 3
_LATEST = 12
_MIN_PAUSE_S = 2.0  # between two looks at the library

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
    rate: float | None = None
    """Files per second; None while that is unknown."""
    seconds_left: float | None = None
    texts_read: int = 0
    """Photos in which text was looked for, after all were indexed."""
    texts_total: int = 0

    @property
    def text(self) -> str:
        """The progress in words."""
        if self.state != "running":
            return self.message or "Nothing is being indexed from here."
        if not self.total:
            return "Looking for photos"
        skipped = f", {self.failed:,} skipped" if self.failed else ""
        if self.texts_total:
            read = f"All photos can be found; text read in {self.texts_read:,} of {self.texts_total:,}"
            return read if self.seconds_left is None else f"{read}, {time_left(self.seconds_left)}"
        read = f"{self.done:,} of {self.total:,} files read{skipped}"
        if self.done == self.total:
            return f"{read}; finishing"
        if self.rate is None or self.seconds_left is None:
            return read
        return f"{read}; {self.rate:,.{1 if self.rate < 10 else 0}f} photos/s, {time_left(self.seconds_left)}"


@dataclass(frozen=True)
class Outcome:
    """What the latest run has brought into the library so far, and what the library passes over."""

    newest: list[int] = field(default_factory=list)
    """Ids of the photos that the run added last, the latest first."""
    passed_over: list[PassedOver] = field(default_factory=list)


class IndexJob:
    """The indexing of one server, at most one run at a time. Threads may share one."""

    def __init__(
        self,
        library: Path,
        model: Callable[[], TrainedModel],
        roots: Sequence[Path],
        view: Callable[[], LibraryView],
    ) -> None:
        self._library = library
        self._view = view
        self._model = model
        self.roots = [resolved(root) for root in roots]
        self._changed = Condition()
        self._progress = Progress()
        self._version = 0
        self._cancelled = False
        self._thread: Thread | None = None
        self._pace = Pace()
        self._last_known: int | None = None
        """The id of the last photo before the run; None before the first run."""
        self._outcome = Outcome()
        self._looked_at = 0.0
        self._outcome_lock = Lock()

    @property
    def progress(self) -> Progress:
        """The progress now."""
        return self._progress

    def outcome(self) -> Outcome:
        """What the run had brought into the library at the last look, a few seconds ago at most."""
        with self._outcome_lock:
            if time.monotonic() - self._looked_at > _MIN_PAUSE_S or self._progress.state != "running":
                try:
                    view = self._view()
                    latest = [] if self._last_known is None else view.latest_ids(_LATEST, after=self._last_known)
                    self._outcome = Outcome(latest, view.passed_over())
                except LibraryError:  # there is no library yet, or the server stops: the progress is told all the same
                    pass
                self._looked_at = time.monotonic()
            return self._outcome

    def allowed(self, folder: str) -> Path:
        """The folder, if it is inside an allowed root. Raises FolderNotAllowed."""
        path = resolved(folder)
        if not any(path.is_relative_to(root) for root in self.roots):
            raise FolderNotAllowed(f"{folder} is not inside a folder that may be added: pixelseek serve --root FOLDER.")
        return path

    def start(self, folders: Sequence[Path]) -> None:
        """Index `folders`, which must be allowed; where the list is empty, every known folder.

        Raises AlreadyIndexing.
        """
        with self._changed:
            if self._progress.state == "running":
                raise AlreadyIndexing("indexing is running already. Wait until it is done, or cancel it.")
            self._cancelled = False
            self._pace, self._last_known = Pace(), self._latest_id()
            self._publish(Progress("running"))
            _log.info("indexing %s", ", ".join(map(str, folders)) or "every folder of the library")
            self._thread = Thread(target=self._run, args=(folders,), name="indexing", daemon=True)
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

    def _latest_id(self) -> int:
        """The id of the latest photo of the library; 0 where there is none."""
        try:
            return next(iter(self._view().latest_ids(1)), 0)
        except LibraryMissing:
            return 0

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
                    text_progress=self._note_text,
                )
            end = self._ended("done", _summary(report))
        except _Cancelled:
            end = self._ended("cancelled", "Cancelled. Photos that were done stay indexed.")
            _log.info("indexing was cancelled")
        except Exception as error:  # also a bug must show on the page
            end = self._ended("failed", str(error))
            is_bug = not isinstance(error, PixelseekError | OSError)
            _log.error("indexing failed: %s", error, exc_info=is_bug)
        else:
            _log.info("indexing is done: %s", end.message)
        with self._changed:
            self._publish(end)

    def _ended(self, state: State, message: str) -> Progress:
        return replace(self._progress, state=state, message=message, rate=None, seconds_left=None)

    def _note(self, progress: IndexProgress) -> None:
        if self._cancelled:
            raise _Cancelled
        with self._changed:
            self._pace.note(progress.done, time.monotonic())
            rate, seconds_left = self._pace.rate, self._pace.seconds_left(progress.total)
            self._publish(
                Progress(
                    "running",
                    progress.done,
                    progress.total,
                    progress.failed,
                    rate=rate,
                    seconds_left=seconds_left,
                )
            )

    def _note_text(self, done: int, total: int) -> None:
        if self._cancelled:
            raise _Cancelled
        with self._changed:
            if not self._progress.texts_total:
                self._pace = Pace()
            self._pace.note(done, time.monotonic())
            seconds_left = self._pace.seconds_left(total)
            progress = replace(self._progress, texts_read=done, texts_total=total, rate=None, seconds_left=seconds_left)
            self._publish(progress)

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
