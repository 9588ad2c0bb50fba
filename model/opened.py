"""Weights held open, so that the network in use is the one whose digest was taken."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from model.weights import FILES, WeightsError, digest

_TRIES = 3
_TICK_S = 2.0
"""Within one tick of its file system's clock a file may change twice and look the same from outside."""
_REMEDY = "Put the old ones back, or start again to go over to the new ones: nothing was mixed."
_State: TypeAlias = tuple[int, int, int, int, int]


class WeightsReplaced(WeightsError):  # noqa: N818
    """A folder of weights holds other files than those that were opened."""


class HeldFiles:
    """Files of a folder, held open together with a digest of their bytes. Threads may share one.

    Raises WeightsError when one cannot be opened, or is being written.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        self._snapshot = _Snapshot(folder, names)
        self.digest = self._snapshot.digest
        """See `model.weights.digest`."""
        self._lock = Lock()

    def check_disk(self) -> None:
        """Raise WeightsReplaced if the folder holds other files now. Call it after a file was opened again."""
        with self._lock:
            before = self._snapshot
            if before.settled and before.on_disk() == before.states:
                return
            try:
                now = _Snapshot(self.folder, tuple(before.files))
            except WeightsError as error:
                raise WeightsReplaced(f"{error} {_REMEDY}") from error
            if now.digest != self.digest:
                raise self._replaced(now.states)
            self._snapshot = now

    def check_held(self) -> None:
        """Raise WeightsReplaced if somebody has written into the open files, which may be memory-mapped."""
        with self._lock:
            states = self._snapshot.held()
            if self._snapshot.settled and states == self._snapshot.states:
                return
            if digest(self._snapshot.files) != self.digest:
                raise self._replaced(states)
            self._snapshot.note(states)

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """The folder, to read files from again. Raises WeightsReplaced, whatever else went wrong, when they changed."""
        try:
            yield self.folder
        finally:
            self.check_disk()

    def _replaced(self, states: Mapping[str, _State]) -> WeightsReplaced:
        names = [name for name, state in self._snapshot.states.items() if states.get(name) != state]
        changed = f": {', '.join(names)} changed" if names else ""
        return WeightsReplaced(f"{self.folder} holds other weights than when it was opened{changed}. {_REMEDY}")


class OpenedWeights(HeldFiles):
    """A folder with a trained Pixel-BERT, as `model.weights.find_weights` finds it, known by its generation."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, FILES)

    @classmethod
    def of(cls, weights: Path | OpenedWeights) -> OpenedWeights:
        """Open the weights in a folder; weights that are open already are returned as they are."""
        return weights if isinstance(weights, OpenedWeights) else cls(weights)

    @property
    def generation(self) -> str:
        """See `model.weights.generation`."""
        return self.digest


class _Snapshot:
    """Open files, their digest, and their state in the file system at that time."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._paths = {name: folder / name for name in names}
        self.files: dict[str, FileIO] = {}
        weakref.finalize(self, _close, self.files)
        for _ in range(_TRIES):
            _close(self.files)
            opened_at, self._first_seen = time.time(), time.monotonic()
            try:
                self.files |= {name: FileIO(path) for name, path in self._paths.items()}
                self.states, self.digest = self.held(), digest(self.files)
                if self.held() == self.states == self.on_disk():
                    break
            except OSError as error:
                raise WeightsError(f"{error.filename or folder} cannot be read: {error.strerror}.") from error
        else:
            raise WeightsError(f"{folder} is being written. Try again when that is done.")
        self.settled = all(opened_at - changed_ns / 1e9 > _TICK_S for *_, changed_ns in self.states.values())
        """Whether files that look the same are the same."""

    def held(self) -> dict[str, _State]:
        """The state of the files that are open."""
        return {name: _state(os.fstat(file.fileno())) for name, file in self.files.items()}

    def on_disk(self) -> dict[str, _State]:
        """The state of the files that have these names now; a missing file is left out."""
        states = {}
        for name, path in self._paths.items():
            with suppress(OSError):
                states[name] = _state(path.stat())
        return states

    def note(self, states: dict[str, _State]) -> None:
        """Note the states of the open files, after their digest was found to be unchanged."""
        if states != self.states:
            self.states, self._first_seen, self.settled = states, time.monotonic(), False
        self.settled = time.monotonic() - self._first_seen > _TICK_S


def _state(file: os.stat_result) -> _State:
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns


def _close(files: dict[str, FileIO]) -> None:
    while files:
        files.popitem()[1].close()
