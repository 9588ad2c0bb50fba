"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable

_PATIENCE_S = 60.0


def wait_until(happened: Callable[[], object]) -> None:
    """Wait until it is true. Raises AssertionError after a minute."""
    deadline = time.monotonic() + _PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "a minute was not enough"
        time.sleep(0.02)
