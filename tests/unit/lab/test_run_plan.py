"""Steps run after what they need, at the same time where they can, and not after a failure."""

from __future__ import annotations

import threading

import pytest

from lab.run.plan import Step, execute

pytestmark = pytest.mark.unit


def test_step_runs_after_those_it_needs() -> None:
    done: list[str] = []
    steps = [Step("late", lambda: done.append("late"), needs=("early", "unknown")), Step("early", lambda: done.append("early"))]
    execute(steps)
    assert done == ["early", "late"]


def test_independent_steps_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=5)
    execute([Step("one", meeting.wait), Step("two", meeting.wait)])


def test_failure_keeps_later_steps_from_running() -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        execute([Step("first", fail), Step("second", lambda: done.append("second"), needs=("first",))])
    assert done == []


def test_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="a, b"):
        execute([Step("a", print, needs=("b",)), Step("b", print, needs=("a",))])
