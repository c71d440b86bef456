"""docs/benchmarks.md: one section for each part of `make bench`, each written by its own part, which leaves the others alone."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

REPORT = Path("docs/benchmarks.md")
HEAD = "# Benchmarks\n\nWritten by `make bench`, section by section; do not edit."


def put_section(title: str, body: str, *, path: Path = REPORT) -> None:
    """Write a section, in the place of the one with the same title or at the end."""
    text = path.read_text() if path.exists() else HEAD
    path.write_text(with_section(text, title, body))


def with_section(text: str, title: str, body: str) -> str:
    """Return the report with this section in it."""
    head, *sections = text.split("\n## ")
    by_title = {section.partition("\n")[0].strip(): section.partition("\n")[2].strip() for section in sections}
    by_title[title] = body.strip()
    return "\n\n".join([head.strip(), *(f"## {name}\n\n{content}" for name, content in by_title.items())]) + "\n"


def busy() -> str:
    """Say how busy the machine was with other things too: figures of a busy one compare the sides at best."""
    return f"Load average of the machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores; above that number, others were at work."


def machine() -> str:
    """Return the day and what the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"
