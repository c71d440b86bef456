"""Decisions are one page each, in one shape, numbered without gaps; the documentation names no page that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(len(DECISIONS)))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_the_four_sections_in_order(path):
    assert re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("path", DECISIONS[1:], ids=lambda path: path.stem)
def test_a_decision_can_be_quoted_in_one_line(path):
    decision = path.read_text(encoding="utf-8").split("## Decision\n")[1].strip().splitlines()

    assert decision[0].startswith("> ")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_paths_linked_from_the_front_pages_exist(name):
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))

    assert [target for target in targets if not (ROOT / target).exists()] == []
