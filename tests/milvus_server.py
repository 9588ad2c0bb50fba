"""A private server of Milvus 2.3.5 for the tests, from the package `milvus`: in a folder of its own."""

from __future__ import annotations

import lzma
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_START_S = 180.0


@dataclass
class MilvusTestServer:
    """A server that can be killed and started again."""

    folder: Path
    port: int
    health_port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"milvus://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        environment = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.health_port),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(self.folder / "bin"),
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.folder / "bin" / "milvus", "run", "standalone"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text(errors="replace")[-3000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/healthz", timeout=10) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.2)
        raise TimeoutError("Milvus did not start")

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def milvus_server() -> Iterator[MilvusTestServer]:
    """A running server, and its end. Skips the test where the packages for it are missing."""
    pytest.importorskip("pymilvus", reason="the client of Milvus is not installed: pip install 'pixelseek[milvus]'")
    package = pytest.importorskip("milvus", reason="no server of Milvus is installed: pip install milvus==2.3.5")
    folder = Path(tempfile.mkdtemp(prefix="pixelseek-milvus-"))
    try:
        (folder / "bin").mkdir()
        for packed in (Path(package.__file__).parent / "data" / "bin").glob("*.lzma"):
            program = folder / "bin" / packed.stem
            with lzma.open(packed) as source, program.open("wb") as target:
                shutil.copyfileobj(source, target)
            program.chmod(0o755)
        config = package.MilvusServerConfig(data_dir=str(folder))
        config.resolve()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            health_port = free.getsockname()[1]
        server = MilvusTestServer(folder, config.get("proxy_port"), health_port)
        try:
            server.start()
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
