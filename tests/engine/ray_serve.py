"""Ray Serve on this machine, with the configuration of the documentation, in processes that tests may kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import ROOT

_CONFIGURATION = ROOT / "docs" / "deploy" / "reranker.yaml"


class RayServe:
    """`serve run`, which starts a Ray of its own."""

    def __init__(self, folder: Path, weights: Path, replicas: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        text = _CONFIGURATION.read_text()
        for written, wanted in (
            ("host: 0.0.0.0", "host: 127.0.0.1"),
            ("port: 8000", f"port: {self.port}"),
            ("weights: pixelbert-small", f"weights: {weights}\n      device: cpu\n      threads: 1"),
            ("num_replicas: 2", f"num_replicas: {replicas}"),
        ):
            assert written in text
            text = text.replace(written, wanted)
        self._file = folder / "reranker.yaml"
        self._file.write_text(text)
        self._log = folder / "serve.log"
        self._run: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until a replica answers."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
        with self._log.open("ab") as log:
            serve = Path(sys.executable).with_name("serve")
            command = [sys.executable, str(serve), "run", str(self._file)]
            self._run = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.wait()

    def wait(self) -> None:
        """Wait until a replica answers."""
        for _ in range(480):
            assert self._run is not None
            assert self._run.poll() is None, self._log.read_text()[-3000:]
            try:
                urllib.request.urlopen(urllib.request.Request(self.url, data=b"no pairs"), timeout=5)
            except urllib.error.HTTPError as error:
                if error.code == 400:
                    return
            except OSError:
                pass
            time.sleep(0.25)
        raise AssertionError(self._log.read_text()[-3000:])

    def replicas(self) -> list[int]:
        """The processes of the replicas."""
        return [process for process, title in self._processes() if title.startswith("ray::ServeReplica")]

    def kill(self) -> None:
        """As a power cut does: every process of it."""
        for process, _ in self._processes():
            os.kill(process, signal.SIGKILL)
        if self._run is not None:
            self._run.wait()

    def _processes(self) -> list[tuple[int, str]]:
        """Those of the session of `serve run`, and what they started, with their titles."""
        assert self._run is not None
        parents, titles = dict[int, int](), dict[int, str]()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                titles[int(folder.name)] = command.decode(errors="replace")
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        ours, count = {self._run.pid}, 0
        while len(ours) > count:
            count = len(ours)
            ours |= {process for process, parent in parents.items() if parent in ours}
        return [(process, titles[process]) for process in sorted(ours) if process in titles]


@contextmanager
def ray_serve(folder: Path, weights: Path, *, replicas: int = 1) -> Iterator[RayServe]:
    """It is running, and ended in the end."""
    server = RayServe(folder, weights, replicas)
    try:
        server.start()
        yield server
    finally:
        server.kill()
