"""How fast a run goes, and how long it still takes. Nothing is said before it is known."""

from __future__ import annotations

import math
from collections import deque

_WINDOW_S = 30.0
_MIN_S, _MIN_FILES = 4.0, 8
_MINUTE_S, _HOUR_S = 60, 3600


class Pace:
    """Measures a run over its last half minute, so that neither a pause nor a burst counts for much."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, done: int, at: float) -> None:
        """Note that `done` files were done at the time `at`, in seconds."""
        self._samples.append((at, done))
        while len(self._samples) > 2 and at - self._samples[1][0] > _WINDOW_S:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Files per second; None while too few are done, and where none is."""
        if not self._samples:
            return None
        (start, before), (end, done) = self._samples[0], self._samples[-1]
        if end - start < _MIN_S or done - before < _MIN_FILES:
            return None
        return (done - before) / (end - start)

    def seconds_left(self, total: int) -> float | None:
        """How long the rest takes at this rate; None while that is unknown."""
        rate = self.rate
        return None if rate is None else max(0, total - self._samples[-1][1]) / rate


def time_left(seconds: float) -> str:
    """Such as `about 3 minutes left`: no more exact than it is known."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < _MINUTE_S:
        return f"about {10 * math.ceil(seconds / 10)} seconds left"
    unit, name = (_MINUTE_S, "minute") if seconds < 1.5 * _HOUR_S else (_HOUR_S, "hour")
    count = round(seconds / unit)
    return f"about {count:,} {name}{'s' if count > 1 else ''} left"
