"""Metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one server."""

    def __init__(self, *, photos: Callable[[], int], waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pixelseek_requests", "Requests answered.", ["endpoint", "status"], registry=self._registry
        )
        self._request_seconds = Histogram(
            "pixelseek_request_seconds",
            "Seconds until the response started.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._search_seconds = Histogram(
            "pixelseek_search_seconds",
            "Seconds of each stage of a search.",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        Gauge("pixelseek_photos", "Photos that a search looks through.", registry=self._registry).set_function(photos)
        Gauge("pixelseek_searches_waiting", "Searches waiting for the model.", registry=self._registry).set_function(
            waiting
        )

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request and record its duration."""
        self._requests.labels(endpoint, str(status)).inc()
        self._request_seconds.labels(endpoint).observe(seconds)

    def searched(self, timings_ms: Mapping[str, float]) -> None:
        """Record the duration of each stage of a search."""
        for stage, milliseconds in timings_ms.items():
            self._search_seconds.labels(stage).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
