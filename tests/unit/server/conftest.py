"""A server of its own for each test."""

from __future__ import annotations

import pytest

from tests.support.server import a_server


@pytest.fixture
async def server(tmp_path):
    async with a_server(tmp_path / "data") as running:
        yield running
