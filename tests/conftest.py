"""Marks each test by its folder, so that `-m unit`, `-m integration` and `-m lab` work without anyone writing marks."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
KINDS = ("unit", "integration", "lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if kind in KINDS:
            item.add_marker(kind)
