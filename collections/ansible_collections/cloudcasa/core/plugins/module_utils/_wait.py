# Copyright (c) 2026 CloudCasa contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time. Do not use it from other collections or plugins.
# One clock for everything that waits: asks quickly at first, then every two seconds, and says what it saw last when time is up.

from __future__ import annotations

import time
import typing as t

T = t.TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0


def wait_until(look: t.Callable[[], T], is_done: t.Callable[[T], bool], *, timeout_seconds: float) -> tuple[T, bool]:
    """Look until what is seen is done; return what was seen last, and whether it was done in time."""
    deadline = time.monotonic() + timeout_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        seen = look()
        if is_done(seen):
            return seen, True
        left = deadline - time.monotonic()
        if left <= 0:
            return seen, False
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, LONGEST_PAUSE_SECONDS)
