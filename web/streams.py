"""Server-sent events, a few streams at a time: each keeps a thread of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import BoundedSemaphore

from flask import Response

EVENT_STREAM = "text/event-stream"
_MOST_STREAMS = 8
_LONGEST_S = 30.0
_SHORTEST_PAUSE_S = 0.25
_AGAIN_MS = 2000

_streams = BoundedSemaphore(_MOST_STREAMS)


def events(messages: Iterator[str]) -> Response:
    """Send `messages`, at most four a second, for half a minute. The browser then asks again by itself.

    Where there are too many streams already, only the first message: the browser asks again soon.
    """

    def stream() -> Iterator[str]:
        started = time.monotonic()
        yield f"retry: {_AGAIN_MS}\ndata: {next(messages)}\n\n"
        if not _streams.acquire(blocking=False):
            return
        try:
            for message in messages:
                yield f"data: {message}\n\n"
                if time.monotonic() - started > _LONGEST_S:
                    return
                time.sleep(_SHORTEST_PAUSE_S)
        finally:
            _streams.release()

    return Response(stream(), mimetype=EVENT_STREAM, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
