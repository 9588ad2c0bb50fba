"""A reranker at an address, which speaks as the replicas on Ray Serve do, and can be made to fail in many ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from model.bundle import TrainedModel
from model.runtime.pairs_message import pack_logits, unpack


class Reranker:
    """What it does with the next requests."""

    def __init__(self, weights: Path) -> None:
        self._model = TrainedModel(weights, device="cpu")
        self.fail: Callable[[], tuple[int, bytes]] | None = None
        """Answers in place of the logits: status and bytes."""
        self.go_on = Event()
        """While it is not set, nothing is answered."""
        self.go_on.set()
        self.asked = 0

    def answer(self, message: bytes) -> tuple[int, bytes]:
        self.asked += 1
        self.go_on.wait(60)
        if self.fail is not None:
            return self.fail()
        pairs = unpack(message)
        if pairs.generation != self._model.generation:
            return 409, b"other weights"
        return 200, pack_logits(self._model.runtime.itm_logits(pairs.text, pairs.pixel_features))


@contextmanager
def listening(reranker: Reranker, port: int = 0) -> Iterator[str]:
    """Its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = reranker.answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client did not wait
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
