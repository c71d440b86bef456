"""What every generator of a committed file does: write it, or with `--check` only compare and say how to mend it."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHOWN_LINES = 80


def write_or_check(target: Path, *, tool: str, wanted: Callable[[], str]) -> int:
    """Return the exit code of the generator `tools.<tool>` of a file of the checkout."""
    path = target.relative_to(ROOT)
    parser = argparse.ArgumentParser(description=f"Write {path} from what the code declares.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the file is out of date")
    arguments = parser.parse_args()
    want = wanted()
    have = target.read_text(encoding="utf-8") if target.is_file() else ""
    if have == want:
        return 0
    if not arguments.check:
        target.write_text(want, encoding="utf-8")
        print(f"Wrote {target}")
        return 0
    difference = list(difflib.unified_diff(have.splitlines(), want.splitlines(), "have", "want", lineterm="", n=1))
    print(*difference[:SHOWN_LINES], sep="\n")
    print(f"{path} is out of date. Run: .venv/bin/python -m tools.{tool}")
    return 1
