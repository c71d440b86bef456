"""`/healthz`, `/readyz` and `/metrics`. A probe has no key, so its answer says nothing but how this process is.

healthz: the process serves requests; restarting it would mend nothing else. readyz: requests belong here: the database is up to date and answers,
and the process is neither starting nor ending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import Response

from ..kit.errors import UnavailableError
from ..kit.observe import Metrics
from ..kit.rest import Access, RequestContext, RestApi, RouteDocs, open_access, requires
from ..kit.store import StoreUnavailableError
from .gauges import Gauges

READY_SECONDS = 2.0
"""Longest the database may take to answer a probe."""
RETRY_AFTER_SECONDS = 2
_OPEN = open_access("a probe has no key, and the answer says nothing")
MetricsAccess = Literal["key", "open", "off"]


@dataclass
class Readiness:
    """Whether requests belong to this process."""

    reason: str = "The server is starting: its database is being brought up to date."

    def start(self) -> None:
        """Take requests from now on."""
        self.reason = ""

    def drain(self) -> None:
        """Take no more requests; those that are here are ended."""
        self.reason = "The server is shutting down."


@dataclass(frozen=True, slots=True)
class Monitor:
    """What the routes need."""

    readiness: Readiness
    metrics: Metrics
    gauges: Gauges

    async def healthz(self, context: RequestContext) -> Mapping[str, Any]:
        """Say that this process serves requests."""
        del context
        return {"status": "ok"}

    async def readyz(self, context: RequestContext) -> Mapping[str, Any]:
        """Say whether requests belong here: the database is up to date and answers."""
        if self.readiness.reason:
            raise _unready(self.readiness.reason)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await context.store.ping()
        except TimeoutError as e:
            raise _unready(f"The database did not answer within {READY_SECONDS:g} seconds.") from e
        except StoreUnavailableError as e:
            raise _unready("The database cannot be reached now.") from e
        return {"status": "ok"}

    async def show_metrics(self, context: RequestContext) -> Response:
        """Show the metrics of this process, for Prometheus."""
        await self.gauges.refresh()
        text, media_type = self.metrics.text(context.request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


def _unready(text: str) -> UnavailableError:
    return UnavailableError(text, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def install_probes(rest: RestApi, monitor: Monitor, *, access: MetricsAccess) -> None:
    """Serve the probes, and the metrics to whom the operator lets have them."""
    rest.route("/healthz", monitor.healthz, access=_OPEN)
    rest.route("/readyz", monitor.readyz, access=_OPEN)
    if access != "off":
        rest.route("/metrics", monitor.show_metrics, access=_metrics_access(access), docs=RouteDocs(media_type="text/plain"))


def _metrics_access(access: MetricsAccess) -> Access:
    return requires("metrics.read", is_whole=True) if access == "key" else open_access("the operator set CLOUDCASA_METRICS_ACCESS=open")
