from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.commands import ROOT, RUN
from tests.engine.libraries import PHOTO_COUNT


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get(address: str) -> bytes:
    """The answer at `address`, waited for while the server starts."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_until_it_is_told_to_stop(indexed: Path, quick_weights: Path, ending: signal.Signals) -> None:
    port = str(free_port())
    command = ("serve", "--port", port, "--library", str(indexed), "--weights", str(quick_weights))
    run = subprocess.Popen([sys.executable, "-c", RUN, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert json.loads(get(f"http://127.0.0.1:{port}/healthz")) == {"status": "ok", "photos": PHOTO_COUNT}
        run.send_signal(ending)
        _, stderr = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 0
    assert f"Pixelseek is at http://127.0.0.1:{port}" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("root", [(), ("--root", "Pictures")])
def test_serve_without_a_library_asks_for_a_folder_unless_roots_are_named(
    photos: Path, quick_weights: Path, tmp_path: Path, root: tuple[str, ...]
) -> None:
    shutil.copytree(photos, tmp_path / "Pictures")
    port = str(free_port())
    named = [str(tmp_path / word) if word == "Pictures" else word for word in root]
    command = ("serve", "--port", port, "--library", str(tmp_path / "library"), "--weights", str(quick_weights), *named)
    environment = os.environ | {"HOME": str(tmp_path)}
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        page = get(f"http://127.0.0.1:{port}/").decode()
        folders = urllib.request.Request(
            f"http://127.0.0.1:{port}/library/folders", headers={"X-Forwarded-For": "192.168.1.7"}
        )
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(folders, timeout=60)
    finally:
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    assert ("Where are your photos?" in page) is (not root)
    assert ('name="chosen"' in page) is (not root)
    assert ('name="folder"' in page) is bool(root)
