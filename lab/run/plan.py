"""Do what can be done at the same time at the same time: steps with needs, run by a few threads, the first failure ends the rest.

Pure of the lab: `lab.run.lab` builds the steps. A step already under way when another fails is waited for, so that nothing is left
running behind the caller's back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing to do, once everything it needs is done."""

    name: str
    run: Callable[[], object]
    needs: tuple[str, ...] = ()


def execute(steps: Sequence[Step], *, workers: int = 10) -> None:
    """Run every step after those it needs; raise the first failure. Needs that are no step of this plan count as done."""
    todo = {step.name: step for step in steps}
    known = set(todo)
    done: set[str] = set()
    doing: dict[Future[object], str] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            while todo or doing:
                for step in [one for one in todo.values() if done.issuperset(known.intersection(one.needs))]:
                    doing[pool.submit(step.run)] = step.name
                    del todo[step.name]
                if not doing:
                    raise ValueError(f"These steps wait for each other: {', '.join(sorted(todo))}.")
                for future in wait(doing, return_when=FIRST_COMPLETED).done:
                    done.add(doing.pop(future))
                    future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
