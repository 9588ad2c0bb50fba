"""Server-sent events. Each stream occupies a thread of the server, so there are only a few at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import BoundedSemaphore

from flask import Response

EVENT_STREAM = "text/event-stream"
_MAX_STREAMS = 8
_MAX_STREAM_S = 30.0
_MIN_PAUSE_S = 0.25
_RETRY_MS = 2000

_streams = BoundedSemaphore(_MAX_STREAMS)


def events(messages: Iterator[str]) -> Response:
    """Send `messages`, at most four a second, for half a minute. The browser then reconnects by itself.

    Where there are too many streams already, only the first message is sent, and the browser reconnects soon.
    """

    def stream() -> Iterator[str]:
        started = time.monotonic()
        yield f"retry: {_RETRY_MS}\ndata: {next(messages)}\n\n"
        if not _streams.acquire(blocking=False):
            return
        try:
            for message in messages:
                yield f"data: {message}\n\n"
                if time.monotonic() - started > _MAX_STREAM_S:
                    return
                time.sleep(_MIN_PAUSE_S)
        finally:
            _streams.release()

    return Response(stream(), mimetype=EVENT_STREAM, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
