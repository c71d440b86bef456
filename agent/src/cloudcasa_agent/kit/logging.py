"""Logging of the agent: structlog, one JSON object per line on standard output, and never a payload.

Libraries log through the standard module; they are heard from WARNING on, since the Kubernetes client and websockets would
otherwise write bodies and frames (with credentials) at DEBUG.
"""

from __future__ import annotations

import logging
import sys

import structlog

Logger = structlog.stdlib.BoundLogger


def configure_logging(*, level: str = "INFO") -> None:
    """Set up JSON lines on standard output at `level`; other libraries stay at WARNING."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s", force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str, /) -> Logger:
    """Return a logger that says which room speaks."""
    logger: Logger = structlog.get_logger(room=name)
    return logger
