"""What operators see of a running process: metrics to be fetched, and traces that are sent where an operator says, else nowhere (docs/adr/0027)."""

from .metrics import Metrics
from .store import ObservedStore
from .tracing import SpanKind, TracingError, failed, span, start_tracing, stop_tracing

__all__ = ["Metrics", "ObservedStore", "SpanKind", "TracingError", "failed", "span", "start_tracing", "stop_tracing"]
