"""The server of the tests ends as cleanly as a test of warnings needs it."""

from __future__ import annotations

import logging
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response, send_file

from tests.web.applications import served

_MIB = 1 << 20


@pytest.mark.parametrize("wait_s", [0.0, 0.3])  # while the answer is written, and while the rest of it waits
def test_an_answer_that_nobody_reads_to_the_end_leaves_no_file_open_and_no_error(
    wait_s: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 32 * _MIB)  # more than the buffers of a connection hold
    app = Flask("large")
    with (tmp_path / "large").open("rb") as file:

        @app.get("/")
        def large() -> Response:
            return send_file(file, "application/octet-stream")

        with socket.socket() as client, served(app) as address:
            client.connect((urlsplit(address).hostname, urlsplit(address).port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(1)
            time.sleep(wait_s)
        assert file.closed
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_server_ends_where_its_loop_is_woken_up_by_something_else_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def pull_twice(trigger: Any) -> None:
        os.write(trigger.trigger, b"x")
        time.sleep(0.1)
        os.write(trigger.trigger, b"x")

    monkeypatch.setattr("waitress.trigger.trigger._physical_pull", pull_twice)
    with served(Flask("nothing")) as address, socket.socket() as client:
        client.connect((urlsplit(address).hostname, urlsplit(address).port))
