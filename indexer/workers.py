"""Read photos in other processes, which may take too long, use too much memory or crash without harm to this one."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pebble import ProcessExpired, ProcessPool
from PIL import Image

from indexer.decoding import Failure, ReadPhoto, read_metadata_of_file, read_photo
from indexer.library.errors import LibraryError
from indexer.metadata.fields import Metadata
from model.image_processor import PixelBertImageProcessor

TIME_LIMIT_S = 30.0
MEMORY_LIMIT_BYTES = 3 * 1024**3
"""Enough for the largest photo and its copy in RGB."""
_RETRIED = (Failure.TIMED_OUT, Failure.CRASHED)
_MAX_WAITING = 64
_MAX_WORKERS = 8


class WorkersBroken(LibraryError):  # noqa: N818
    """The processes that read photos do not start."""


class ReadRequest(NamedTuple):
    """A photo file to read."""

    path: str
    known: frozenset[bytes] = frozenset()
    """Digests of photos that need not be decoded."""
    sidecar: str | None = None
    """The path of its XMP sidecar."""


Value = TypeVar("Value")

_processor: PixelBertImageProcessor


def read_photos(
    requests: Iterable[ReadRequest],
    processor: PixelBertImageProcessor,
    *,
    workers: int | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> Generator[ReadPhoto | Failure, None, None]:
    """The results of `decoding.read_photo` in the order of the requests. A few dozen files are read ahead.

    A file that takes more time or memory than allowed (`memory_limit_bytes` beyond the worker itself; Linux only), or
    crashes the decoder, is tried twice before it becomes a Failure: the machine may have been asleep or out of memory.
    `workers` defaults to the number of cores.
    """
    readers = PhotoReaders(processor, workers=workers, time_limit_s=time_limit_s, memory_limit_bytes=memory_limit_bytes)
    with closing(readers):
        yield from readers.read(requests)


class PhotoReaders:
    """The processes of `read_photos`, for one call of `read` after the other, also by several threads. Close it."""

    def __init__(
        self,
        processor: PixelBertImageProcessor,
        *,
        workers: int | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        self._pool = start_pool(_worker_count(workers), _prepare_reader, processor, memory_limit_bytes)
        self._time_limit_s = time_limit_s

    def read(self, requests: Iterable[ReadRequest]) -> Generator[ReadPhoto | Failure, None, None]:
        """See `read_photos`."""
        return _in_order(self._pool, _read, requests, self._time_limit_s)

    def close(self) -> None:
        """End the processes."""
        stop_pool(self._pool)


def read_metadata_of_files(
    paths: Iterable[str], *, workers: int | None = None
) -> Generator[Metadata | Failure, None, None]:
    """The results of `decoding.read_metadata_of_file` in the order of the paths, under the limits of `read_photos`."""
    pool = start_pool(_worker_count(workers), limit_worker, MEMORY_LIMIT_BYTES)
    return _then_stop(pool, _in_order(pool, read_metadata_of_file, ((path,) for path in paths), TIME_LIMIT_S))


def read_in_processes(
    read: Callable[..., Value | Failure],
    requests: Iterable[tuple[Any, ...]],
    *,
    prepare: Callable[[], None],
    workers: int | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> Generator[Value | Failure, None, None]:
    """The results of `read` in the order of the requests, under the limits of `read_photos`.

    Each process calls `prepare` first. What that takes does not count.
    """
    pool = start_pool(_worker_count(workers), _prepare_and_limit, prepare, memory_limit_bytes)
    return _then_stop(pool, _in_order(pool, read, requests, time_limit_s))


def _worker_count(requested: int | None) -> int:
    return requested or min(os.cpu_count() or 1, _MAX_WORKERS)


def _in_order(
    pool: ProcessPool, read: Callable[..., Value | Failure], requests: Iterable[tuple[Any, ...]], time_limit_s: float
) -> Generator[Value | Failure, None, None]:
    """The results of `read` in the order of the requests."""
    waiting: deque[tuple[tuple[Any, ...], Future[Value | Failure]]] = deque()

    def schedule(request: tuple[Any, ...]) -> Future[Value | Failure]:
        future: Future[Value | Failure] = pool.schedule(read, args=request, timeout=time_limit_s)
        return future

    def next_outcome() -> Value | Failure:
        request, future = waiting.popleft()
        outcome = outcome_of(future)
        return outcome_of(schedule(request)) if outcome in _RETRIED else outcome

    for request in requests:
        waiting.append((request, schedule(request)))
        if len(waiting) >= _MAX_WAITING:
            yield next_outcome()
    while waiting:
        yield next_outcome()


def _then_stop(pool: ProcessPool, results: Iterator[Value]) -> Generator[Value, None, None]:
    try:
        yield from results
    finally:
        stop_pool(pool)


def read_photo_alone(path: str, processor: PixelBertImageProcessor) -> ReadPhoto | Failure:
    """The result of `decoding.read_photo` for one file, in a process of its own and under the same limits."""
    with closing(read_photos([ReadRequest(path)], processor, workers=1)) as results:
        return next(results)


def start_pool(workers: int, prepare: Callable[..., None], *arguments: object) -> ProcessPool:
    """Start processes that first call `prepare`, which must call `limit_worker`. End them with `stop_pool`."""
    pool = ProcessPool(max_workers=workers, context=get_context("spawn"), initializer=prepare, initargs=arguments)
    try:
        with ThreadPoolExecutor(max_workers=1) as starter:
            starter.submit(_start, pool).result()
    except BaseException:
        stop_pool(pool)
        raise
    return pool


def stop_pool(pool: ProcessPool) -> None:
    """End the processes at once."""
    pool.stop()  # type: ignore[no-untyped-call]
    # Pebble closes the pipes before it ends the processes one by one: those still starting would print a traceback.
    for worker in tuple(pool._pool_manager.worker_manager.workers.values()):
        worker.kill()
    pool.join()


def _start(pool: ProcessPool) -> None:
    """Start the workers with SIGINT blocked: otherwise each prints a traceback on Ctrl-C. This process ends them.

    Processes and threads inherit blocked signals, so workers that the pool's threads start later ignore SIGINT too. It
    must run in a thread of its own, which no KeyboardInterrupt interrupts.
    """
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # started before, because it would unblock the signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    _ = pool.active  # starts the workers


def outcome_of(future: Future[Value | Failure]) -> Value | Failure:
    """Wait for a result; a Failure if the worker took too much time or memory, or crashed. Raises WorkersBroken."""
    try:
        return future.result()
    except TimeoutError:
        return Failure.TIMED_OUT
    except MemoryError:
        return Failure.OUT_OF_MEMORY
    except ProcessExpired:
        return Failure.CRASHED
    except BrokenProcessPool as error:
        raise WorkersBroken(
            "the processes that read photos do not start. A program of your own must be a file, and call Pixelseek "
            'below the line `if __name__ == "__main__":`, because each of them imports it once more.'
        ) from error


def _prepare_and_limit(prepare: Callable[[], None], memory_limit_bytes: int) -> None:
    prepare()
    limit_worker(memory_limit_bytes)


def _prepare_reader(processor: PixelBertImageProcessor, memory_limit_bytes: int) -> None:
    global _processor
    _processor = processor
    limit_worker(memory_limit_bytes)


def limit_worker(memory_limit_bytes: int) -> None:
    """Limit the memory of this process beyond what it uses now (Linux only), and silence its warnings."""
    # Pillow warns of unusual files, and libtiff writes to standard error: neither concerns the user.
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours: `decoding.MAX_PIXELS`
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + memory_limit_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _read(path: str, known: frozenset[bytes], sidecar: str | None) -> ReadPhoto | Failure:
    return read_photo(path, known, _processor, sidecar=sidecar)
