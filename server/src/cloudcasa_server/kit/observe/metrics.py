"""The metrics of one process, in a registry of its own: two applications in one process (tests) do not meet.

Labels are names out of our code only: route templates, collections, operations, states. Nothing that a client or a customer chose becomes a label,
so the number of series has a bound, and a dashboard names nobody.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STORE_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNROUTED = "none"
"""The route of a request that matched none."""


class Metrics:
    """What is counted everywhere; rooms put their own metrics into `registry`."""

    def __init__(self, *, version: str = "") -> None:
        """Register everything."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Gauge("cloudcasa_build_info", "1, and which build this is.", ["version", "python"], registry=self.registry)
        build.labels(version, platform.python_version()).set(1)
        self._requests = Counter("cloudcasa_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry)
        self._request_seconds = Histogram(
            "cloudcasa_http_request_seconds",
            "How long requests took, to the end of the answer.",
            ["method", "route"],
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        self.requests_in_progress = Gauge("cloudcasa_http_requests_in_progress", "Requests being answered.", registry=self.registry)
        self._store_seconds = Histogram(
            "cloudcasa_store_call_seconds",
            "How long calls of the database took.",
            ["collection", "operation"],
            buckets=_STORE_BUCKETS,
            registry=self.registry,
        )
        self._store_errors = Counter(
            "cloudcasa_store_errors", "Calls that did not reach the database.", ["collection", "operation"], registry=self.registry
        )

    def request_ended(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. The route is its template; methods that nobody offers count as one."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route or UNROUTED, status).inc()
        self._request_seconds.labels(method, route or UNROUTED).observe(seconds)

    def store_timer(self, *, collection: str, operation: str) -> Callable[[float], None]:
        """Return what takes the seconds of each call of a kind."""
        return self._store_seconds.labels(collection, operation).observe

    def store_failed(self, *, collection: str, operation: str) -> None:
        """Count a call that did not reach the database."""
        self._store_errors.labels(collection, operation).inc()

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the form that a scraper accepts, and its media type."""
        encoder, media_type = choose_encoder(accept)
        return encoder(self.registry), media_type
