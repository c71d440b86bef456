"""Logs: structlog, as JSON lines for machines or coloured text for people; secrets are taken out before anything is written.

The standard library's loggers (uvicorn, pymongo) go through the same processors, so that a log has one form.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

HIDDEN = "[hidden]"
_SECRET_KEY = re.compile(r"secret|passw|credential|token|authorization|(^|_)otp$|(^|_|api)key(s)?$|private_key|access_key", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9_.\-]{8,}|(://[^/\s:@]+:)[^@\s/]+(?=@)|(/)[A-Za-z0-9_-]{43}(?=\.yaml)")
_MAX_DEPTH = 6


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of keys that name secrets, at any depth, and credentials inside texts."""
    for key, value in event.items():
        event[key] = _redacted(key, value, 0)
    return event


def _redacted(key: str, value: Any, depth: int) -> Any:
    if _SECRET_KEY.search(key) and not isinstance(value, bool | None):
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(lambda found: f"{found[1] or found[2] or found[3]}{HIDDEN}", value)
    if depth >= _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {one: _redacted(str(one), below, depth + 1) for one, below in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", below, depth + 1) for below in value]
    return value


def configure_logging(*, level: str = "info", form: Literal["json", "console"] = "json") -> None:
    """Set up structlog and the standard library's logging. Call it once, at start."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("pymongo", "botocore", "boto3", "urllib3", "uvicorn.access", "s3transfer", "azure", "msal"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
