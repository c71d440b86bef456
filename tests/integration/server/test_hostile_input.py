"""Hostile input, a little of each kind; tests/integration has much more of it."""

from __future__ import annotations

import pytest

from tests.support.hostile import EVERY_ASK, check


@pytest.mark.parametrize("kind", EVERY_ASK)
def test_hostile_input_is_refused_and_leaves_nothing(tmp_path, kind):
    check(tmp_path, EVERY_ASK[kind], examples=25)
