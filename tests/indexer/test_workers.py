from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.decoding import Failure, ReadPhoto
from indexer.workers import ReadRequest, read_photos
from tests.indexer.colour_runtime import colour_processor
from tests.indexer.desk import paint
from tests.indexer.hostile import sound
from tests.waiting import wait_until

PROCESSOR = colour_processor()
ROOT = Path(__file__).parents[2]


def test_results_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    heavy = tmp_path / "heavy.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)).save(heavy)
    light = paint(tmp_path / "light.png", "red")
    missing = tmp_path / "missing.png"
    paths = [heavy, light, missing, light]
    results = list(read_photos([ReadRequest(str(path)) for path in paths], PROCESSOR, workers=2))
    assert [type(result) for result in results] == [ReadPhoto, ReadPhoto, Failure, ReadPhoto]
    assert results[1] != results[0]


def test_a_photo_that_takes_too_long_is_given_up_and_the_next_one_read(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs a pipe that never answers")
    os.mkfifo(tmp_path / "endless.jpg")
    requests = [ReadRequest(str(path)) for path in (tmp_path / "endless.jpg", paint(tmp_path / "a.png", "red"))]
    started = time.monotonic()
    results = list(read_photos(requests, PROCESSOR, workers=1, time_limit_s=3))
    assert results[0] is Failure.TIMED_OUT
    assert isinstance(results[1], ReadPhoto)
    assert time.monotonic() - started < 60


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_a_photo_that_takes_too_much_memory_is_given_up_and_the_next_one_read(tmp_path: Path) -> None:
    Image.new("L", (9000, 9000)).save(tmp_path / "vast.png")
    requests = [ReadRequest(str(path)) for path in (tmp_path / "vast.png", paint(tmp_path / "a.png", "red"))]
    results = list(read_photos(requests, PROCESSOR, workers=1, memory_limit_bytes=200 * 1024**2))
    assert results[0] is Failure.OUT_OF_MEMORY
    assert isinstance(results[1], ReadPhoto)


READ_ON = """
import sys
from indexer.workers import ReadRequest, read_photos
from tests.indexer.colour_runtime import colour_processor

if __name__ == "__main__":
    results = read_photos([ReadRequest(path) for path in sys.argv[1:]], colour_processor(), workers=1)
    for result in results:
        print(type(result).__name__ if hasattr(result, "identity") else result.name, flush=True)
"""


def workers(process: int) -> list[int]:
    """The children that read photos (the other child tracks shared resources)."""
    found: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, thread.read_text().split())
    return [child for child in found if "spawn_main" in _command(child)]


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""  # it has ended meanwhile


def start(tmp_path: Path, *paths: Path) -> subprocess.Popen[str]:
    script = tmp_path / "read_on.py"
    script.write_text(READ_ON)
    return subprocess.Popen(
        [sys.executable, script, *paths],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def worker_of(process: subprocess.Popen[str], *, after: int | None = None) -> int:
    """The worker that reads photos, as soon as it is there."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [worker for worker in workers(process.pid) if worker != after]
        return bool(found)

    wait_until(is_there)
    return found[0]


@contextmanager
def being_read(pipe: Path) -> Iterator[None]:
    """Waits until a worker has opened the pipe, and keeps it waiting for more."""
    ends: list[int] = []

    def is_open() -> bool:
        with suppress(OSError):  # while nobody reads
            ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(ends)

    wait_until(is_open)
    yield
    os.close(ends[0])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes through /proc")
class TestProcesses:
    def test_a_decoder_that_crashes_twice_costs_one_photo(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "deadly.jpg")
        with start(tmp_path, tmp_path / "deadly.jpg", paint(tmp_path / "a.png", "red")) as process:
            first = worker_of(process)
            with being_read(tmp_path / "deadly.jpg"):
                os.kill(first, signal.SIGSEGV)
            second = worker_of(process, after=first)
            with being_read(tmp_path / "deadly.jpg"):
                os.kill(second, signal.SIGSEGV)
            output, _ = process.communicate(timeout=60)
        assert output.split() == ["CRASHED", "ReadPhoto"]

    def test_a_worker_that_was_killed_costs_nothing(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "slow.jpg")
        with start(tmp_path, tmp_path / "slow.jpg") as process:
            first = worker_of(process)
            with being_read(tmp_path / "slow.jpg"):
                os.kill(first, signal.SIGKILL)
            worker_of(process, after=first)
            (tmp_path / "slow.jpg").write_bytes(paint(tmp_path / "a.png", "red").read_bytes())
            output, _ = process.communicate(timeout=60)
        assert output.split() == ["ReadPhoto"]

    def test_workers_are_deaf_to_ctrl_c_from_the_moment_they_start(self, tmp_path: Path) -> None:
        def call(worker: int) -> None:
            for _ in range(20):
                with suppress(ProcessLookupError):  # it may be done already
                    os.kill(worker, signal.SIGINT)
                time.sleep(0.05)

        os.mkfifo(tmp_path / "deadly.jpg")
        with start(tmp_path, tmp_path / "deadly.jpg", paint(tmp_path / "a.png", "red")) as process:
            first = worker_of(process)
            call(first)
            with being_read(tmp_path / "deadly.jpg"):
                os.kill(first, signal.SIGSEGV)
            second = worker_of(process, after=first)  # which the pool starts by itself
            call(second)
            with being_read(tmp_path / "deadly.jpg"):
                os.kill(second, signal.SIGSEGV)
            output, errors = process.communicate(timeout=60)
        assert output.split() == ["CRASHED", "ReadPhoto"]
        assert errors == ""

    def test_what_decoders_print_is_kept_from_the_user(self, tmp_path: Path) -> None:
        content = bytearray(sound()["deflate.tif"])
        content[200:220] = b"\xff" * 20
        (tmp_path / "a.tif").write_bytes(content)
        with start(tmp_path, tmp_path / "a.tif") as process:
            output, errors = process.communicate(timeout=60)
        assert (output.split(), errors) == (["DAMAGED"], "")

    def test_workers_do_not_import_pytorch(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "endless.jpg")
        with start(tmp_path, tmp_path / "endless.jpg") as process:
            worker = worker_of(process)
            with being_read(tmp_path / "endless.jpg"):
                loaded = Path(f"/proc/{worker}/maps").read_text()
                process.kill()
        assert "PIL" in loaded
        assert "torch" not in loaded

    @pytest.mark.parametrize("last_signal", [signal.SIGINT, signal.SIGKILL])
    def test_workers_end_with_their_parent(self, tmp_path: Path, last_signal: signal.Signals) -> None:
        with start(tmp_path, paint(tmp_path / "a.png", "red"), paint(tmp_path / "b.png", "blue")) as process:
            worker = worker_of(process)
            os.kill(process.pid, last_signal)
            process.communicate(timeout=60)
        wait_until(lambda: not Path(f"/proc/{worker}").exists())


def test_workers_that_are_ended_while_they_wake_up_say_nothing(tmp_path: Path) -> None:
    """One photo, many workers: most are not awake yet when it has been read."""
    paint(tmp_path / "a.png", "red")
    script = (
        "import sys; from indexer.workers import ReadRequest, read_photos; "
        "from tests.indexer.colour_runtime import colour_processor; "
        "[list(read_photos([ReadRequest(sys.argv[1])], colour_processor(), workers=6)) for _ in range(4)]"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.png")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.stderr, run.returncode) == ("", 0)
