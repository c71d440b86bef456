"""People over a store of each test's own."""

from __future__ import annotations

import pytest

from tests.support.people import a_people_bench


@pytest.fixture
async def people(tmp_path):
    async with a_people_bench(tmp_path) as bench:
        yield bench
