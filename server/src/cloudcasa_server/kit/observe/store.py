"""A store whose calls are measured and traced. It adds nothing else: what the port says, it says, and passes on whatever the port offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, cast

from ..store import Collection, Store, StoreUnavailableError
from .metrics import Metrics
from .tracing import SpanKind, failed, span


class ObservedStore:
    """A Store around a store."""

    def __init__(self, inner: Store, metrics: Metrics) -> None:
        """Watch a store."""
        self._inner = inner
        self._metrics = metrics
        self._collections: dict[str, Collection] = {}

    def collection(self, name: str, /) -> Collection:
        """Return the collection, watched."""
        if name not in self._collections:
            self._collections[name] = cast("Collection", _Observed(self._inner.collection(name), name, self._metrics))
        return self._collections[name]

    def __getattr__(self, name: str) -> Any:
        """Return what else the store offers, as it is."""
        return getattr(self._inner, name)


class _Observed:
    def __init__(self, inner: Collection, name: str, metrics: Metrics) -> None:
        self._inner = inner
        self._name = name
        self._metrics = metrics

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        """Return an operation of the collection, watched, and keep it for the next call: what does not change is looked up once."""
        call = getattr(self._inner, operation)
        title = f"{operation} {self._name}"
        about = {"db.operation.name": operation, "db.collection.name": self._name}
        observe = self._metrics.store_timer(collection=self._name, operation=operation)

        async def watched(*args: Any, **options: Any) -> Any:
            started = perf_counter()
            with span(title, about, kind=SpanKind.CLIENT) as made:
                try:
                    return await call(*args, **options)
                except StoreUnavailableError:
                    self._metrics.store_failed(collection=self._name, operation=operation)
                    failed(made, kind="unavailable")
                    raise
                finally:
                    observe(perf_counter() - started)

        setattr(self, operation, watched)
        return watched
