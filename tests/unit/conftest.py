"""Golden files for every unit test: `golden("name.json", value)` compares; `pytest tests/unit --update-golden` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", default=False, help="write the golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Compare a JSON value with the file `golden/<name>` beside the test."""
    folder = Path(request.path).parent / "golden"

    def compare(name: str, value: Any) -> None:
        path = folder / name
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        assert path.is_file(), f"{path} is missing: pytest {request.path} --update-golden"
        assert value == json.loads(path.read_text(encoding="utf-8"))

    return compare
