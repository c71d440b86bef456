"""What holds for every test: each is marked by its folder (`-m unit`, `-m integration`, `-m lab`), and logs can be read by any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog

HERE = Path(__file__).parent
KINDS = ("unit", "integration", "lab")

# Where the package rich is installed, structlog draws every traceback with all variables: seconds each, in the server's own loop.
_PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

_configure = structlog.configure


def _configure_without_cache(**options: Any) -> None:
    """Configure as told, but keep no logger: one that a program of ours has cached would never be heard by a later test's capture_logs."""
    _configure(**options | {"cache_logger_on_first_use": False})


structlog.configure = _configure_without_cache


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if kind in KINDS:
            item.add_marker(kind)
