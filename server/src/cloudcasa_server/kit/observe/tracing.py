"""Traces, by OpenTelemetry: off unless an operator names an endpoint. Without one, spans are no-ops of the API package and nothing is sent.

Source: https://opentelemetry.io/docs/specs/semconv/ for the names of attributes. The SDK and its exporter are an extra (cloudcasa-server[otel]), as
they bring protobuf and a second HTTP client. Spans hold no query strings, bodies or headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, StatusCode

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    HAS_SDK = True
except ImportError:
    HAS_SDK = False

EXPORT_SECONDS = 5
"""Longest that sending a batch may take, and that a server waits for the last one when it ends."""
_TRACES_PATH = "/v1/traces"
SpanKind = trace.SpanKind
_tracer = trace.get_tracer("cloudcasa_server")


class TracingError(ValueError):
    """Traces were asked for and cannot be made."""


def span(
    name: str, attributes: Mapping[str, str | int], *, kind: SpanKind = SpanKind.INTERNAL, headers: Mapping[str, str] | None = None
) -> AbstractContextManager[Span]:
    """Return a span to do something in. `headers` may name the caller's span. It records no exceptions: their texts may
    name what is nobody's business; see `failed`.
    """
    parent = propagate.extract(headers) if headers else None
    return _tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    )


def failed(made: Span, *, kind: str) -> None:
    """Mark a span as failed, by a word."""
    made.set_attribute("error.type", kind)
    made.set_status(StatusCode.ERROR)


def start_tracing(endpoint: str, *, version: str) -> None:
    """Send traces to an OTLP/HTTP endpoint from now on. Raises TracingError."""
    if not HAS_SDK:
        raise TracingError("CLOUDCASA_OTLP_ENDPOINT is set, and this server has no OpenTelemetry SDK: install cloudcasa-server[otel].")
    url = endpoint if endpoint.rstrip("/").endswith(_TRACES_PATH) else endpoint.rstrip("/") + _TRACES_PATH
    provider = TracerProvider(resource=Resource.create({"service.name": "cloudcasa-server", "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)))
    trace.set_tracer_provider(provider)


async def stop_tracing() -> None:
    """Send what is left, for no longer than EXPORT_SECONDS. Does nothing when no traces are made."""
    provider = trace.get_tracer_provider()
    if HAS_SDK and isinstance(provider, TracerProvider):
        await asyncio.to_thread(provider.force_flush, EXPORT_SECONDS * 1000)
        await asyncio.to_thread(provider.shutdown)
