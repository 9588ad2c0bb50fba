"""Read and encode photos on a Ray cluster, by Ray Data. It needs the extra `scale`.

This process stays the only writer of the library. It sends paths, because many machines read a shared disk faster than
one machine sends photos; what comes back of a photo are its metadata and its encoding.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexer.batches import ENCODED_AT_ONCE
from indexer.decoding import Failure, ReadPhoto
from indexer.workers import MEMORY_LIMIT_BYTES, TIME_LIMIT_S, PhotoReaders, ReadRequest
from model.errors import PixelseekError
from model.image_processor import PixelBertImageProcessor
from model.opened import OpenedWeights
from model.runtime.loading import load_runtime
from model.runtime.protocol import EncodedImages, Runtime
from model.weights import find_weights

if TYPE_CHECKING:
    import pyarrow

AUTO = "auto"
"""The cluster that this machine belongs to."""
CONNECT_S = 10.0
_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
"""Of Ray's core. Whoever sets this variable sees its log on standard error."""
_CPUS_PER_WORKER = 4
_MAX_READERS = 8
_MAX_FILES_IN_TASK = 1024
_TASKS_PER_WORKER = 8
_CALLS_AT_ONCE = 2  # one decodes while the other encodes
_BYTES_IN_BLOCK = 4 * 1024**2
"""About as much as is sent of `ENCODED_AT_ONCE` photos: what Ray holds back before it sends a block."""
_MAX_DEATHS_AT_START = 3  # of workers one after the other, before any has started
_ADVICE = "\nFailed to apply UDF transform"
"""With this Ray begins what it adds to the message of a worker's error: how to write a program that tries again."""
_NUMBER, _REQUEST, _OUTCOME = "number", "request", "outcome"


class ClusterError(PixelseekError):
    """A cluster cannot be used; the message says why and names the remedy."""


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs to know. It is sent to each."""

    weights: str
    """Their lasting name: each machine finds them by it."""
    generation: str
    processor: PixelBertImageProcessor
    time_limit_s: float = TIME_LIMIT_S
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES


@dataclass(frozen=True)
class Workers:
    """The workers that a cluster has room for."""

    count: int
    cpus: int
    """Of each."""
    gpus: int
    """Of each: 0 or 1."""


@contextmanager
def connected(address: str, settings: WorkerSettings, *, device: str = "auto") -> Iterator[ClusterEncoder]:
    """The encoder of the cluster at `address`: HOST:PORT, or `auto` for the one that this machine belongs to.

    `device` is `auto` (GPUs if the cluster has any), `cpu` or `cuda`. Raises ClusterError.
    """
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise ClusterError("--cluster needs the extra scale: pip install 'pixelseek[scale]'")
    if device not in ("auto", "cpu", "cuda"):
        raise ClusterError(f"on a cluster the device is auto, cpu or cuda, not {device}: Ray hands out the GPUs")
    if address != AUTO:
        _require_listener(address)
    with redirect_stdout(sys.stderr):  # Ray prints what it says of a lost worker, and a program reads our output
        _connect(address)
        import ray

        try:
            yield ClusterEncoder(settings, workers_of(ray.nodes(), device))
        finally:
            ray.shutdown()


def workers_of(nodes: Sequence[Mapping[str, Any]], device: str) -> Workers:
    """How many workers the machines `nodes` (as `ray.nodes` lists them) have room for: one for each GPU, or CPUs.

    Raises ClusterError if there is none.
    """
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = [int(machine.get("CPU", 0)) for machine in machines]
    gpus = [int(machine.get("GPU", 0)) for machine in machines]
    if device != "cpu" and any(gpus):
        shares = [cpu // gpu for cpu, gpu in zip(cpus, gpus, strict=True) if gpu]
        return Workers(sum(gpus), max(1, min(shares)), 1)
    if device == "cuda":
        raise ClusterError("the cluster has no GPU. Use its CPUs with --device cpu")
    share = min(_CPUS_PER_WORKER, max(cpus, default=0))
    if not share:
        raise ClusterError("no machine of the cluster has a CPU to lend. Start them with `ray start --num-cpus N`")
    return Workers(sum(cpu // share for cpu in cpus), share, 0)


class ClusterEncoder:
    """A `PhotoEncoder` whose workers are actors of Ray. Made by `connected`."""

    def __init__(self, settings: WorkerSettings, workers: Workers) -> None:
        self._settings = settings
        self.workers = workers

    def read(
        self, requests: Iterable[ReadRequest]
    ) -> Generator[tuple[int, ReadPhoto | Failure, EncodedImages | None], None, None]:
        """See `PhotoEncoder`. Ray gives the files of a worker that died to another one. Raises ClusterError."""
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        listed = list(requests)
        done = np.zeros(len(listed), dtype=np.bool_)
        size = files_in_task(len(listed), self.workers.count)
        tables = [_packed(start, listed[start : start + size]) for start in range(0, len(listed), size)]
        context = DataContext.get_current().copy()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.raise_original_map_exception = True
        context.max_consecutive_actor_init_deaths = _MAX_DEATHS_AT_START
        context.target_max_block_size = _BYTES_IN_BLOCK
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        with DataContext.current(context), _plain_errors():
            dataset = ray.data.from_arrow(tables).map_batches(
                EncodingWorker,
                fn_constructor_args=(self._settings, self.workers, version("pixelseek")),
                batch_size=ENCODED_AT_ONCE,
                batch_format="pyarrow",
                num_cpus=self.workers.cpus,
                num_gpus=self.workers.gpus or None,
                compute=ActorPoolStrategy(
                    min_size=1,
                    max_size=self.workers.count,
                    initial_size=self.workers.count,
                    max_concurrent_calls_per_actor=_CALLS_AT_ONCE,
                    enable_true_multi_threading=True,
                ),
            )
            with closing(_blocks(dataset)) as blocks:
                for block in blocks:
                    for number, packed in zip(block[_NUMBER].to_pylist(), block[_OUTCOME].to_pylist(), strict=True):
                        if done[number]:
                            continue
                        done[number] = True
                        yield number, *_unpacked(packed, listed[number])
        if not done.all():
            raise ClusterError(f"the cluster has lost {(~done).sum():,} files. Index again: the next run goes on")

    def encode(self, contents: Sequence[EncodedImages]) -> EncodedImages:
        """See `PhotoEncoder`: the workers have done it."""
        return EncodedImages.joined(contents)


def files_in_task(files: int, workers: int) -> int:
    """How many of `files` make one task: a multiple of what is encoded at once, and several tasks for each worker."""
    batches = files // (workers * _TASKS_PER_WORKER * ENCODED_AT_ONCE)
    return min(max(1, batches) * ENCODED_AT_ONCE, _MAX_FILES_IN_TASK)


class EncodingWorker:
    """Lives in an actor of Ray, on any machine. It reads and encodes photos with the code of a local run.

    What prevents it from working is raised when it is called: Ray reports that better than an actor that cannot start.
    """

    def __init__(self, settings: WorkerSettings, workers: Workers, needed_version: str) -> None:
        self._machine = platform.node()
        self._encoding = threading.Lock()
        self._problem: ClusterError | None = None
        try:
            if version("pixelseek") != needed_version:
                raise ClusterError(f"it has Pixelseek {version('pixelseek')}, not {needed_version}")
            self._runtime = _load(settings, workers)
        except PixelseekError as error:
            self._problem = ClusterError(f"machine {self._machine} of the cluster cannot encode photos: {error}")
            return
        self._readers = PhotoReaders(
            settings.processor,
            workers=min(workers.cpus, _MAX_READERS),
            time_limit_s=settings.time_limit_s,
            memory_limit_bytes=settings.memory_limit_bytes,
        )

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """The outcomes of the requests in `batch`."""
        if self._problem is not None:
            raise self._problem
        import pyarrow

        requests: list[ReadRequest] = [pickle.loads(packed) for packed in batch[_REQUEST].to_pylist()]
        reads = list(self._readers.read(requests))
        pixels = {
            read.identity.digest: read.picture.pixels
            for read in reads
            if isinstance(read, ReadPhoto) and read.picture is not None
        }
        encoded = self._encode(pixels)
        outcomes = [self._outcome(request, read, encoded) for request, read in zip(requests, reads, strict=True)]
        return pyarrow.table({_NUMBER: batch[_NUMBER], _OUTCOME: [pickle.dumps(outcome) for outcome in outcomes]})

    def _encode(self, pixels: Mapping[bytes, NDArray[np.uint8]]) -> dict[bytes, EncodedImages]:
        if not pixels:
            return {}
        with self._encoding:
            encoded = self._runtime.encode_image(list(pixels.values()))
        return dict(zip(pixels, encoded.split(), strict=True))

    def _outcome(
        self, request: ReadRequest, read: ReadPhoto | Failure, encoded: Mapping[bytes, EncodedImages]
    ) -> _Outcome:
        if isinstance(read, Failure):
            is_missing = read is Failure.UNREADABLE and not os.path.lexists(request.path)
            return _Outcome(read, missing_on=self._machine if is_missing else None)
        if read.picture is None:
            return _Outcome(read)
        picture = replace(read.picture, pixels=read.picture.pixels[:0])  # only the encoding is sent
        return _Outcome(replace(read, picture=picture), encoded[read.identity.digest])


@dataclass(frozen=True)
class _Outcome:
    read: ReadPhoto | Failure
    content: EncodedImages | None = None
    missing_on: str | None = None
    """The machine on which there is no such file."""


def _load(settings: WorkerSettings, workers: Workers) -> Runtime:
    weights = OpenedWeights(find_weights(settings.weights))
    if weights.generation != settings.generation:
        raise ClusterError(f"its weights {settings.weights} are not those of the machine that indexes")
    return load_runtime(weights, device="cuda" if workers.gpus else "cpu", threads=workers.cpus)


def _packed(first: int, requests: Sequence[ReadRequest]) -> pyarrow.Table:
    import pyarrow

    numbers = range(first, first + len(requests))
    return pyarrow.table({_NUMBER: list(numbers), _REQUEST: [pickle.dumps(request) for request in requests]})


def _unpacked(packed: bytes, request: ReadRequest) -> tuple[ReadPhoto | Failure, EncodedImages | None]:
    outcome: _Outcome = pickle.loads(packed)
    if outcome.missing_on is not None and os.path.lexists(request.path):
        raise ClusterError(
            f"machine {outcome.missing_on} of the cluster has no {request.path}: all machines need the photos at the "
            "same path, as on a network disk. Nothing is lost: mount it there and index again"
        )
    return outcome.read, outcome.content


def _blocks(dataset: Any) -> Generator[pyarrow.Table, None, None]:
    yield from dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1)


@contextmanager
def _plain_errors() -> Iterator[None]:
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        text = str(error if cause is None else cause).partition(_ADVICE)[0].strip()
        if isinstance(cause, PixelseekError):
            raise ClusterError(text) from error
        last = text.splitlines()[-1] if text else type(error).__name__
        raise ClusterError(
            f"the cluster has given up: {last}. All its machines need the same versions of Python, Ray "
            "and Pixelseek. What was encoded is kept: the next run goes on"
        ) from error


def _require_listener(address: str) -> None:
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdigit():
        raise ClusterError(
            f"{address} is not the address of a cluster: HOST:PORT, such as 10.0.0.1:6379, or {AUTO}. Index on a "
            "machine of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no cluster answers at {address} ({error}). Its first machine is started with `ray start --head`"
        ) from error


def _connect(address: str) -> None:
    is_silent = _LOG_LEVEL not in os.environ
    os.environ.setdefault(_LOG_LEVEL, "fatal")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # of 41 s each, where another program listens there
    import ray

    previous = signal.getsignal(signal.SIGTERM)
    try:
        with _nothing_on_stderr() if is_silent else nullcontext():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises many kinds
        raise ClusterError(_why_refused(address, error)) from error
    finally:
        if previous is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, previous)  # Ray has put its own in its place


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """For Ray's core, which writes its log there while it connects. What matters is in the exception, too."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _why_refused(address: str, error: Exception) -> str:
    if address == AUTO and isinstance(error, ConnectionError):
        return (
            "this machine belongs to no Ray cluster. Start one with `ray start --head`, or join one with "
            "`ray start --address HOST:PORT`"
        )
    return f"the cluster at {address} cannot be used: {' '.join(str(error).split())}"
