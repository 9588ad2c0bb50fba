"""Applications over libraries, and what tests ask of them."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from waitress.server import create_server

from tests.engine.libraries import SENTENCE
from web import close_app, create_app
from web.searches import ModelQueue


@contextmanager
def opened(library: Path, weights: Path | None, **config: Any) -> Iterator[Flask]:
    """The application over `library`, closed in the end."""
    app = create_app({"LIBRARY": library, "WEIGHTS": weights, **config})
    try:
        yield app
    finally:
        close_app(app)


@contextmanager
def served(app: Flask, host: str = "127.0.0.1") -> Iterator[str]:
    """The address at which `app` is served meanwhile, by the server of `pixelseek serve`."""
    channels: dict[int, Any] = {}
    with socket.create_server((host, 0)) as listener:
        server: Any = create_server(
            app,
            map=channels,
            sockets=[listener],
            threads=16,
            channel_request_lookahead=1,
            clear_untrusted_proxy_headers=False,
        )
        thread = Thread(target=server.run)
        thread.start()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.trigger.pull_trigger(lambda: _hang_up(server))
            server.task_dispatcher.shutdown()
            server.trigger.pull_trigger(channels.clear)  # which ends the loop
            thread.join()
            server.close()  # not before: an answer that ends may wake the loop up before the pull has returned


def _hang_up(server: Any) -> None:
    """Take no more requests, and close the files of answers that nobody has read to the end."""
    server.del_channel()
    for channel in list(server.active_channels.values()):
        channel.handle_close()  # `close` alone leaves the files open


def token(client: FlaskClient, **request: Any) -> str:
    """The token that a form of the pages holds."""
    field = re.search('name="csrf_token" value="([^"]+)"', client.get("/similar", **request).text)
    assert field is not None
    return field[1]


def hits(client: FlaskClient, **question: Any) -> list[dict[str, Any]]:
    """What the API finds."""
    result = client.get("/api/v1/search", query_string={"q": SENTENCE, **question}).json
    assert result is not None
    hits: list[dict[str, Any]] = result["hits"]
    return hits


def photo(client: FlaskClient) -> str:
    """The address of the first photo found."""
    return f"/api/v1/photos/{hits(client)[0]['photo_id']}"


class _LongCall:
    """A call that runs until `finish` is set."""

    def __init__(self, finish: threading.Event) -> None:
        self.started, self.finish = threading.Event(), finish

    def run(self) -> str:
        self.started.set()
        self.finish.wait()
        return "done"


@contextmanager
def busy(queue: ModelQueue) -> Iterator[Thread]:
    """The model is busy with other calls, as many as it takes at once; the thread of the first."""
    finish = threading.Event()
    threads: list[Thread] = []
    while len(threads) < queue.at_once or not threads:  # which is known once the first call has come
        call = _LongCall(finish)
        threads.append(Thread(target=lambda run=call.run: queue.run(run, bool)))
        threads[-1].start()
        call.started.wait()
    try:
        yield threads[0]
    finally:
        finish.set()
        for thread in threads:
            thread.join()
