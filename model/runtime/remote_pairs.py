"""The joint pass on other machines: a client of `model.runtime.replicas`, over HTTP."""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Sequence
from http import HTTPStatus
from threading import Lock
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from model.errors import RerankerAway
from model.runtime.batching import check_pairs
from model.runtime.pairs_message import pack, unpack_logits
from model.runtime.protocol import EncodedText

AT_ONCE = 8
"""So many searches may wait for the replicas at once: they can share a batch."""
_TIMEOUT_S = 3.0
"""For connecting, for sending, and for the answer."""
_PAUSE_S = 5.0
"""Nobody waits for a reranker that was away a moment ago."""
_MEANINGS: dict[int, str] = {
    HTTPStatus.CONFLICT: "it holds other weights",
    HTTPStatus.SERVICE_UNAVAILABLE: "it is overloaded, or is starting",
}
_log = logging.getLogger("pixelseek.reranker")


class RemotePairs:
    """`model.runtime.protocol.PairScorer` at an address. Threads may share one."""

    def __init__(self, url: str, generation: str) -> None:
        """`generation` is that of the weights that encode the sentences and photos."""
        self.url = url
        self._generation = generation
        self._lock = Lock()
        self._paused_until = 0.0
        self._problem: str | None = None

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """See `PairScorer`. Raises RerankerAway."""
        check_pairs(text, pixel_features)
        if self._problem is not None and time.monotonic() < self._paused_until:
            raise RerankerAway(self._problem)
        message = pack(self._generation, text, pixel_features)
        try:
            logits = unpack_logits(self._ask(message), len(pixel_features))
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = f"it has not answered for {_TIMEOUT_S:g} s" if isinstance(error, TimeoutError) else str(error)
            raise self._away(reason, pause_s=_PAUSE_S) from error
        self._note(None)
        return logits

    def _ask(self, message: bytes) -> bytes:
        address = urlsplit(self.url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.netloc, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", address.path or "/", message, {"Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise self._away(_MEANINGS.get(answer.status, f"it answers with status {answer.status}"))
            return answer.read()
        finally:
            connection.close()

    def _away(self, reason: str, *, pause_s: float = 0.0) -> RerankerAway:
        problem = f"the reranker at {self.url} is not to be had: {reason}"
        with self._lock:
            self._paused_until = time.monotonic() + pause_s
        self._note(problem)
        return RerankerAway(problem)

    def _note(self, problem: str | None) -> None:
        """Remember what is wrong, and log it where that is new."""
        with self._lock:
            before, self._problem = self._problem, problem
        if problem is not None and before is None:
            _log.warning("photos are not reranked: %s", problem)
        elif problem is None and before is not None:
            _log.warning("the reranker at %s is back", self.url)
