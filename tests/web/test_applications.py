"""The server of the tests ends as cleanly as a test of warnings needs it."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask, Response, send_file

from tests.web.applications import served

_MIB = 1 << 20


@pytest.mark.parametrize("wait_s", [0.0, 0.3])  # while the answer is written, and while the rest of it waits
def test_an_answer_that_nobody_reads_to_the_end_leaves_no_file_open_and_no_error(
    wait_s: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "large").write_bytes(bytes(32 * _MIB))  # more than the buffers of a connection hold
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
    assert caplog.messages == []
