"""How indexing grows with the workers of a Ray cluster, and what the one writer takes of it.

    python -m benchmarks.cluster --photos FOLDER

All machines of the cluster are processes here, with a CPU each: so there is nothing to gain past the cores of this one.
CPU time says what a photo costs also where other programs run beside.
"""

from __future__ import annotations

import argparse
import os
import pickle
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from indexer.batches import ENCODED_AT_ONCE
from indexer.cluster import WorkerSettings, connected
from indexer.decoding import Failure, ReadPhoto
from indexer.indexing import IndexProgress, index_folders
from indexer.library.view import LibraryView
from indexer.workers import ReadRequest, read_photos
from model.bundle import TrainedModel
from model.runtime.protocol import EncodedImages
from tests.cli.ray_cluster import ray_cluster

_TICKS = os.sysconf("SC_CLK_TCK")


_HEAD = """| | until the first photos | photos/s after them | CPU of this process, a photo | of all |
|---|---|---|---|---|"""


@dataclass
class Run:
    """What one indexing took."""

    started: float = field(default_factory=time.monotonic)
    moments: list[tuple[float, int, float, float]] = field(default_factory=list)
    """Seconds, files done, CPU seconds of this process and of all: after the first batch, and at the end."""
    _taken: dict[int, float] = field(default_factory=dict)
    """CPU seconds by process. Ray's workers end before the run does, and leave no trace then."""

    def note(self, progress: IndexProgress) -> None:
        """Note the moment when the first batch has been encoded, and what each process has taken at any."""
        if not self.moments and progress.done > ENCODED_AT_ONCE:
            self.end(progress.done)
        elif progress.done % ENCODED_AT_ONCE == 0:
            self._taken.update(cpu_seconds())

    def end(self, done: int) -> None:
        """Note this moment."""
        self._taken.update(cpu_seconds())
        self.moments.append((time.monotonic(), done, time.process_time(), sum(self._taken.values())))

    def row(self, name: str) -> str:
        """The row of the table."""
        first, last = self.moments
        seconds, files, writer, everything = (end - begin for begin, end in zip(first, last, strict=True))
        costs = 1000 * writer / files, 1000 * everything / files
        starting = first[0] - self.started
        return f"| {name} | {starting:.1f} s | {files / seconds:.1f} | {costs[0]:.1f} ms | {costs[1]:.1f} ms |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--machines", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    print(_HEAD)
    print(run(arguments.photos).row("this machine, without Ray"), flush=True)
    for count in arguments.machines:
        with ray_cluster(count) as address:
            print(run(arguments.photos, address).row(f"Ray, workers with a CPU: {count}"), flush=True)
    print(f"\nThe writer alone, encodings ready in memory: {writer_ms(arguments.photos):.1f} ms of CPU a photo.")
    print(f"\nLoad {os.getloadavg()[0]:.0f}; {machine()}")


def run(photos: Path, address: str | None = None) -> Run:
    """Index `photos` into a new library, on the cluster at `address`, or here."""
    model, measured = TrainedModel(device="cpu"), Run()
    processor = model.processor.image_processor
    settings = WorkerSettings(model.name, model.generation, processor)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        library = stack.enter_context(LibraryView.open(folder, generation=model.generation, create=True))
        encoder = None if address is None else stack.enter_context(connected(address, settings))
        report = index_folders(
            library,
            [photos],
            processor=processor,
            load_runtime=lambda: model.runtime,
            encoder=encoder,
            progress=measured.note,
            read_text=False,
        )
        measured.end(report.found)
    return measured


class Replayed:
    """A `PhotoEncoder` that has everything packed, as a cluster sends it: what is left is the work of the writer."""

    def __init__(self, photos: Path, model: TrainedModel) -> None:
        files = sorted(path for path in photos.iterdir() if path.suffix == ".jpg")
        requests = [ReadRequest(str(path)) for path in files]
        self._packed: dict[str, bytes] = {}
        for request, read in zip(requests, read_photos(requests, model.processor.image_processor), strict=True):
            assert isinstance(read, ReadPhoto), request
            assert read.picture is not None
            encoded = model.runtime.encode_image([read.picture.pixels])
            picture = replace(read.picture, pixels=read.picture.pixels[:0])
            self._packed[request.path] = pickle.dumps((replace(read, picture=picture), encoded))

    def read(
        self, requests: Iterable[ReadRequest]
    ) -> Generator[tuple[int, ReadPhoto | Failure, EncodedImages | None], None, None]:
        """See `PhotoEncoder`."""
        for number, request in enumerate(requests):
            yield number, *pickle.loads(self._packed[request.path])

    def encode(self, contents: Sequence[EncodedImages]) -> EncodedImages:
        """See `PhotoEncoder`."""
        return EncodedImages.joined(contents)


def writer_ms(photos: Path) -> float:
    """CPU milliseconds that the writer needs for a photo, the best of three."""
    model, costs = TrainedModel(device="cpu"), []
    encoder = Replayed(photos, model)
    for _ in range(3):
        with (
            TemporaryDirectory() as folder,
            LibraryView.open(
                Path(folder), generation=model.generation, photo_vectors=model.photo_vectors, create=True
            ) as library,
        ):
            started = time.process_time()
            report = index_folders(
                library,
                [photos],
                processor=model.processor.image_processor,
                load_runtime=lambda: model.runtime,
                encoder=encoder,
                read_text=False,
            )
            costs.append(1000 * (time.process_time() - started) / report.encoded)
    return min(costs)


def cpu_seconds() -> dict[int, float]:
    """What this process and each of those that it started has taken."""
    parents, ticks = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                values = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(entry.name)] = int(values[1])
            ticks[int(entry.name)] = int(values[11]) + int(values[12])
    family = {os.getpid()}
    while grown := {process for process, parent in parents.items() if parent in family} - family:
        family |= grown
    return {process: ticks[process] / _TICKS for process in family}


if __name__ == "__main__":
    main()
