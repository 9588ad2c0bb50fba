"""Read photos in other processes, which may be slow, swell or crash without harm to this one."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pebble import ProcessExpired, ProcessPool
from PIL import Image

from indexer.decoding import Failure, ReadPhoto, read_metadata_of_file, read_photo
from indexer.metadata.fields import Metadata
from model.image_processor import PixelBertImageProcessor

TIME_LIMIT_S = 30.0
MEMORY_LIMIT_BYTES = 3 * 1024**3
"""A photo of the largest size, its copy in RGB, and room to spare."""
_RETRIED = (Failure.TIMED_OUT, Failure.CRASHED)
_MAX_WAITING = 64
_MAX_WORKERS = 8


class ReadRequest(NamedTuple):
    """A photo file to be read."""

    path: str
    known: frozenset[bytes] = frozenset()
    """The digests that need not be decoded."""
    sidecar: str | None = None
    """The path of the XMP file beside it."""


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
    """What `decoding.read_photo` makes of each file, in the order of the requests, a few dozen read ahead.

    A file that takes more time or memory than allowed (`memory_limit_bytes` beyond the worker itself;
    Linux only) becomes a Failure, as does one that crashes the decoder, at the second try: a machine that slept or ran
    out of memory shall not cost a photo. `workers` defaults to the number of cores.
    """
    pool = start_pool(_workers(workers), _prepare_reader, processor, memory_limit_bytes)
    return _in_order(pool, _read, requests, time_limit_s)


def read_metadata_of_files(
    paths: Iterable[str], *, workers: int | None = None
) -> Generator[Metadata | Failure, None, None]:
    """What `decoding.read_metadata_of_file` makes of each file, in their order, under the limits of `read_photos`."""
    pool = start_pool(_workers(workers), limit_worker, MEMORY_LIMIT_BYTES)
    return _in_order(pool, read_metadata_of_file, ((path,) for path in paths), TIME_LIMIT_S)


def _workers(wanted: int | None) -> int:
    return wanted or min(os.cpu_count() or 1, _MAX_WORKERS)


def _in_order(
    pool: ProcessPool, read: Callable[..., Value | Failure], requests: Iterable[tuple[Any, ...]], time_limit_s: float
) -> Generator[Value | Failure, None, None]:
    """What `read` makes of each request, some read ahead; stops the pool in the end."""
    waiting: deque[tuple[tuple[Any, ...], Future[Value | Failure]]] = deque()

    def schedule(request: tuple[Any, ...]) -> Future[Value | Failure]:
        future: Future[Value | Failure] = pool.schedule(read, args=request, timeout=time_limit_s)
        return future

    def next_outcome() -> Value | Failure:
        request, future = waiting.popleft()
        outcome = outcome_of(future)
        return outcome_of(schedule(request)) if outcome in _RETRIED else outcome

    try:
        for request in requests:
            waiting.append((request, schedule(request)))
            if len(waiting) >= _MAX_WAITING:
                yield next_outcome()
        while waiting:
            yield next_outcome()
    finally:
        stop_pool(pool)


def read_photo_alone(path: str, processor: PixelBertImageProcessor) -> ReadPhoto | Failure:
    """What `decoding.read_photo` makes of one file, in a process of its own and under the same limits."""
    with closing(read_photos([ReadRequest(path)], processor, workers=1)) as results:
        return next(results)


def start_pool(workers: int, prepare: Callable[..., None], *arguments: object) -> ProcessPool:
    """Processes that call `prepare` first, which calls `limit_worker`. Stop and join it in the end."""
    pool = ProcessPool(max_workers=workers, context=get_context("spawn"), initializer=prepare, initargs=arguments)
    try:
        with ThreadPoolExecutor(max_workers=1) as starter:
            starter.submit(_start, pool).result()
    except BaseException:
        stop_pool(pool)
        raise
    return pool


def stop_pool(pool: ProcessPool) -> None:
    """End the processes, whatever they are at."""
    pool.stop()  # type: ignore[no-untyped-call]
    # Pebble closes what they talk through before it ends them one by one: those still waking up would cry out.
    for worker in tuple(pool._pool_manager.worker_manager.workers.values()):
        worker.kill()
    pool.join()


def _start(pool: ProcessPool) -> None:
    """Start the workers deaf to Ctrl-C: it is this process that ends them, and they would cry out while waking up.

    Processes and threads inherit what a thread blocks, so workers that the pool's own threads start later are deaf
    too. Called in a thread of its own, where no KeyboardInterrupt can come between a worker and its instructions.
    """
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # it would lift the block if it were started under it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    _ = pool.active  # asking starts it


def outcome_of(future: Future[Value | Failure]) -> Value | Failure:
    """What a worker has made, waited for; a Failure where it took too much time or memory, or crashed."""
    try:
        return future.result()
    except TimeoutError:
        return Failure.TIMED_OUT
    except MemoryError:
        return Failure.OUT_OF_MEMORY
    except ProcessExpired:
        return Failure.CRASHED


def _prepare_reader(processor: PixelBertImageProcessor, memory_limit_bytes: int) -> None:
    global _processor
    _processor = processor
    limit_worker(memory_limit_bytes)


def limit_worker(memory_limit_bytes: int) -> None:
    """Let this process take so much memory beyond what it has (Linux only), and say nothing."""
    # Remarks on odd files, Pillow's and those that libtiff writes straight to standard error, are no news to the user.
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
