"""Servers for tests: one of its own for each, or one that the tests of a module share, `shared` as it is and `lent` emptied after each."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.server import Running, a_server


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as a first start leaves it: to make its tables and indexes anew would take longer than most tests do."""
    directory = tmp_path_factory.mktemp("begun") / "data"

    async def begin() -> None:
        async with a_server(directory):
            pass

    asyncio.run(begin())
    return directory


@pytest.fixture
async def server(tmp_path: Path, begun: Path) -> AsyncIterator[Running]:
    """A server of the test's own."""
    async with a_server(shutil.copytree(begun, tmp_path / "data")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, begun: Path) -> AsyncIterator[Running]:
    """Ask for it with `pytestmark = pytest.mark.asyncio(loop_scope="module")`; names must differ between tests."""
    async with a_server(shutil.copytree(begun, tmp_path_factory.mktemp("shared") / "data")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def lent(shared: Running) -> AsyncIterator[Running]:
    """The module's server, emptied after each test."""
    yield shared
    await shared.empty()
