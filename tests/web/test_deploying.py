"""Another server than our own, as docs/deploying.md sets it up."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from indexer.library.settings import FILE, Settings

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is for POSIX")
def test_gunicorn_serves_the_library_and_ends_when_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = ROOT / "docs" / "deploy" / "gunicorn_settings.py"
    command = [sys.executable, "-m", "gunicorn", "--config", str(settings), "--bind", address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PIXELSEEK_LIBRARY": str(tmp_path)}
    server = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert answer(f"http://{address}/healthz") == {"status": "ok", "photos": 0}
    finally:
        server.send_signal(signal.SIGTERM)
        _, log = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in log
    assert "ERROR" not in log


def answer(address: str) -> object:
    """What is answered there, as soon as the server is up."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                return json.load(response)
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)


def test_a_container_has_every_package_and_asks_for_extras_and_settings_that_exist(tmp_path: Path) -> None:
    deploy, project = ROOT / "docs" / "deploy", tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages == set(re.findall(r"^COPY (\w+) \1$", (deploy / "Containerfile").read_text(), re.M))
    (extras,) = re.findall(r"EXTRAS: (.*)", (deploy / "compose.yaml").read_text())
    assert set(extras.split(",")) <= project["project"]["optional-dependencies"].keys()
    (settings,) = re.findall(r"^settings: \|\n((?:  .*\n)+)", (deploy / "helm/pixelseek/values.yaml").read_text(), re.M)
    (tmp_path / FILE).write_text(textwrap.dedent(settings))
    written = Settings.load(tmp_path)
    page = (ROOT / "docs" / "deploying.md").read_text()
    for name, url in re.findall(r"pixelseek config (\w+) (\S+)", page):
        assert getattr(written, name) == url, "the page and the chart say the same"
